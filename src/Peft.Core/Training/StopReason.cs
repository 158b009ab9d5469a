namespace Peft;

/// <summary>The reason that a run ended.</summary>
public enum StopReason
{
    /// <summary>All steps were completed.</summary>
    Completed,

    /// <summary>The metric did not improve for as many evaluations as <see cref="TrainingOptions.EarlyStoppingPatience"/>.</summary>
    EarlyStopping,

    /// <summary>A callback stopped the run.</summary>
    Callback,

    /// <summary>The cancellation token was cancelled.</summary>
    Cancelled,
}
