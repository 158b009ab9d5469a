namespace Peft;

/// <summary>The phases of a run.</summary>
internal enum TrainingPhase
{
    /// <summary>Before the first step.</summary>
    Start,

    /// <summary>A training step.</summary>
    Training,

    /// <summary>An evaluation.</summary>
    Evaluation,

    /// <summary>Writing a checkpoint.</summary>
    Saving,
}
