namespace Rlhf;

/// <summary>Settings of the training runs, chosen with a seed that the table does not have.</summary>
internal static class Settings
{
    /// <summary>Learning rate of supervised fine-tuning.</summary>
    public const double TuningRate = 2e-3;

    /// <summary>Passes of supervised fine-tuning.</summary>
    public const int TuningEpochs = 10;

    /// <summary>Learning rate of PPO, GRPO and the reward model.</summary>
    public const double Rate = 5e-3;

    /// <summary>Weight of the divergence with GRPO, where it is part of the loss of each token.</summary>
    public const double GrpoBeta = 0.05;

    /// <summary>Weight of the divergence with PPO, where it is taken off the reward of each token.</summary>
    public const double PpoKl = 0.02;

    /// <summary>Times that PPO learns from the same stories.</summary>
    public const int PpoIterations = 2;

    /// <summary>The divergence, in nats per story, beyond which a run ends.</summary>
    public const double KlBound = 60;
}
