namespace Peft;

/// <summary>A run was cancelled and ended after its current step. As an <see cref="OperationCanceledException"/>, it sets the status of the task to Canceled.</summary>
public sealed class TrainingCanceledException : OperationCanceledException
{
    internal TrainingCanceledException(TrainingResult result, CancellationToken token)
        : base($"The training was cancelled after step {result.Steps}{(result.LastCheckpoint is { } folder ? $"; the last checkpoint is {folder}" : "")}.", token)
        => Result = result;

    /// <summary>The result up to the cancellation.</summary>
    public TrainingResult Result { get; }
}
