using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

/// <summary>Policies, prompts and objectives of the tests of online methods, whose reward is the share of one token.</summary>
internal static class OnlineRuns
{
    private const int Wanted = 7;

    public static double Share(Completion completion) => completion.Tokens.Count(token => token == Wanted) / (double)completion.Tokens.Count;

    public static RolloutOptions Rollouts(int generations = 8) => new()
    {
        Rewards = [RewardFunction.Of("share", completion => Share(completion))], Generations = generations, MaxCompletionLength = 6, LoggedSamples = 0,
    };

    /// <summary>Prompts of different lengths, padded on the left.</summary>
    public static TrainingDataset Prompts(int rows = 4) => TrainingDataset.From(rows, indices =>
    {
        var (ids, mask) = (new long[indices.Count * 3], new long[indices.Count * 3]);
        for (var i = 0; i < indices.Count; i++)
            for (var k = indices[i] % 2; k < 3; k++) (ids[i * 3 + k], mask[i * 3 + k]) = (3 + indices[i] + k, 1);
        return new() { InputIds = tensor(ids, [indices.Count, 3]), AttentionMask = tensor(mask, [indices.Count, 3]), Weight = indices.Count };
    });

    public static PeftModel Policy(out Models.CausalLM model)
    {
        model = TinyModel.Create();
        manual_seed(1);   // for the adapter
        return model.ApplyLora(rank: 4);
    }

    /// <summary>The model that a method trains: with PPO the values too.</summary>
    public static ITrainable Trained(string method, PeftModel policy, ValueModel? values) => method == "ppo" ? new ActorCritic(policy, values!) : policy;

    /// <summary>The objective of a method, with settings under which all of its state changes.</summary>
    public static Objective Objective(string method, ITrainable trained, RolloutOptions rollouts) => method switch
    {
        "grpo" => new GrpoObjective(trained, rollouts, new GrpoOptions { Beta = 0.05 }),
        "adaptive entropy" => new GrpoObjective(trained, rollouts, new GrpoOptions { EntropyTarget = 10 }),   // the coefficient rises
        "rloo" => new RlooObjective(trained, rollouts),
        "ppo" => new PpoObjective((ActorCritic)trained, rollouts, new PpoOptions { KlTarget = 0.1, KlHorizon = 50 }),   // the coefficient moves
        "xpo" => new XpoObjective(trained, rollouts),
        "nash" => new NashObjective(trained, rollouts),
        _ => new OnlineDpoObjective(trained, rollouts),
    };

    public static float[] Values(ITrainable trained) => [.. trained.Trainables.SelectMany(each => each.Value.detach().reshape(-1).data<float>().ToArray())];

    /// <summary>The mean reward of each step that generated completions.</summary>
    public static List<double> Rewards(ITrainable trained, Objective objective, int steps, int prompts = 4, string metric = "reward")
    {
        var rewards = new List<double>();
        new Trainer(trained, Prompts(prompts), new TrainingOptions { MaxSteps = steps, BatchSize = prompts, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant }) { Objective = objective }
            .Train(new Reporter(progress => rewards.Add(progress.Metrics.GetValueOrDefault(metric, double.NaN))));
        return [.. rewards.Where(reward => !double.IsNaN(reward))];
    }

    /// <summary>The metrics of each step.</summary>
    public static List<IReadOnlyDictionary<string, double>> Metrics(ITrainable trained, Objective objective, TrainingOptions options, int prompts = 4)
    {
        var metrics = new List<IReadOnlyDictionary<string, double>>();
        new Trainer(trained, Prompts(prompts), options) { Objective = objective }.Train(new Reporter(progress => metrics.Add(progress.Metrics)));
        return metrics;
    }

    public sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    public sealed class StopAt(int step) : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control)
        {
            if (progress.Step == step) control.Stop();
        }
    }
}
