namespace Peft;

/// <summary>Handling of a loss or gradient that is NaN or infinite.</summary>
public enum NonFinitePolicy
{
    /// <summary>End the run with an exception that names the step, the batch and the first non-finite tensor.</summary>
    Throw,

    /// <summary>Skip the update and continue, up to <see cref="TrainingOptions.MaxSkippedSteps"/> times.</summary>
    SkipStep,
}
