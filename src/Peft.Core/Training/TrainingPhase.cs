namespace Peft;

/// <summary>What a run does at a time.</summary>
internal enum TrainingPhase
{
    /// <summary>It has not made a step yet.</summary>
    Start,

    /// <summary>A training step.</summary>
    Training,

    /// <summary>An evaluation.</summary>
    Evaluation,

    /// <summary>Writing a checkpoint.</summary>
    Saving,
}
