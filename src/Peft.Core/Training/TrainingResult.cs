namespace Peft;

/// <summary>Why a run ended.</summary>
public enum StopReason
{
    /// <summary>All steps were done.</summary>
    Completed,

    /// <summary>The metric did not improve for as many evaluations as <see cref="TrainingOptions.EarlyStoppingPatience"/>.</summary>
    EarlyStopping,

    /// <summary>A callback asked for it.</summary>
    Callback,

    /// <summary>The cancellation token asked for it.</summary>
    Cancelled,
}

/// <summary>What an evaluation found.</summary>
/// <param name="Step">Optimizer steps done before it.</param>
/// <param name="Loss">Mean loss over the dataset, weighted by <see cref="Batch.Weight"/>.</param>
/// <param name="Metrics">Further values by name.</param>
public sealed record EvaluationResult(int Step, double Loss, IReadOnlyDictionary<string, double> Metrics);

/// <summary>State of a run after a step.</summary>
/// <param name="Step">Optimizer steps done, from 1.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
/// <param name="Epoch">Passes over the dataset done, with the started one as a fraction.</param>
/// <param name="Loss">Loss of the step, a mean over the positions (or rows) of all its batches. NaN or infinite if it was skipped for that.</param>
/// <param name="GradientNorm">Norm of the gradient of all tensors together, before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Tokens">Real tokens of the step.</param>
/// <param name="Elapsed">Time of the step.</param>
/// <param name="LastEvaluation">The last evaluation so far.</param>
public sealed record TrainingProgress(
    int Step, int TotalSteps, double Epoch, double Loss, double GradientNorm, double LearningRate, long Tokens, TimeSpan Elapsed, EvaluationResult? LastEvaluation);

/// <summary>What came of a run.</summary>
public sealed record TrainingResult
{
    /// <summary>Why the run ended.</summary>
    public required StopReason StopReason { get; init; }

    /// <summary>Optimizer steps done, those before a resume included.</summary>
    public required int Steps { get; init; }

    /// <summary>Steps that were skipped because the loss or gradient was not finite.</summary>
    public required int SkippedSteps { get; init; }

    /// <summary>Loss of each step, from the first, those before a resume included.</summary>
    public required IReadOnlyList<double> Losses { get; init; }

    /// <summary>All evaluations in order.</summary>
    public required IReadOnlyList<EvaluationResult> Evaluations { get; init; }

    /// <summary>The best evaluation by <see cref="TrainingOptions.BestMetric"/>; null if there was none.</summary>
    public required EvaluationResult? Best { get; init; }

    /// <summary>Folder of the checkpoint that belongs to <see cref="Best"/>; null without <see cref="TrainingOptions.OutputFolder"/>.</summary>
    public required string? BestCheckpoint { get; init; }

    /// <summary>Folder of the last checkpoint; null if none was written.</summary>
    public required string? LastCheckpoint { get; init; }

    /// <summary>Time of this run, evaluations and checkpoints included; time before a resume is not counted.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Real tokens trained on in this run.</summary>
    public required long Tokens { get; init; }

    /// <summary>Real tokens per second of training steps, evaluations and checkpoints left out.</summary>
    public required double TokensPerSecond { get; init; }
}

/// <summary>A run that was cancelled, after its current step. Being an <see cref="OperationCanceledException"/>, it makes the awaited task a cancelled one.</summary>
public sealed class TrainingCanceledException : OperationCanceledException
{
    internal TrainingCanceledException(TrainingResult result, CancellationToken token)
        : base($"The training was cancelled after step {result.Steps}{(result.LastCheckpoint is { } folder ? $"; the last checkpoint is {folder}" : "")}.", token)
        => Result = result;

    /// <summary>What was done until then.</summary>
    public TrainingResult Result { get; }
}
