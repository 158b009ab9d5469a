namespace Peft;

/// <summary>The reason that a run ended.</summary>
public enum StopReason
{
    /// <summary>All steps were done.</summary>
    Completed,

    /// <summary>The metric did not improve for as many evaluations as <see cref="TrainingOptions.EarlyStoppingPatience"/>.</summary>
    EarlyStopping,

    /// <summary>A callback stopped the run.</summary>
    Callback,

    /// <summary>The cancellation token was cancelled.</summary>
    Cancelled,
}

/// <summary>The result of an evaluation.</summary>
/// <param name="Step">Number of optimizer steps done before it.</param>
/// <param name="Loss">Mean loss over the dataset, weighted by <see cref="Batch.Weight"/>.</param>
/// <param name="Metrics">Metrics by name.</param>
public sealed record EvaluationResult(int Step, double Loss, IReadOnlyDictionary<string, double> Metrics);

/// <summary>State of a run after a step.</summary>
/// <param name="Step">Number of optimizer steps done, from 1.</param>
/// <param name="TotalSteps">Number of steps of the whole run.</param>
/// <param name="Epoch">Number of epochs done, including the fraction of the current one.</param>
/// <param name="Loss">Loss of the step: the mean over the positions (or rows) of all its batches. NaN or infinite if the step was skipped for that reason.</param>
/// <param name="GradientNorm">Norm of the gradient of all tensors together, before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Tokens">Number of tokens of the step, without padding.</param>
/// <param name="Elapsed">Duration of the step.</param>
/// <param name="LastEvaluation">The latest evaluation so far.</param>
public sealed record TrainingProgress(
    int Step, int TotalSteps, double Epoch, double Loss, double GradientNorm, double LearningRate, long Tokens, TimeSpan Elapsed, EvaluationResult? LastEvaluation)
{
    /// <summary>Metrics of the objective (<see cref="Trainer.Objective"/>) in this step, by name.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();
}

/// <summary>The result of a run.</summary>
public sealed record TrainingResult
{
    /// <summary>The reason that the run ended.</summary>
    public required StopReason StopReason { get; init; }

    /// <summary>Number of optimizer steps done, including those before a resume.</summary>
    public required int Steps { get; init; }

    /// <summary>Number of steps that were skipped because the loss or gradient was not finite.</summary>
    public required int SkippedSteps { get; init; }

    /// <summary>Loss of each step from the first, including those before a resume.</summary>
    public required IReadOnlyList<double> Losses { get; init; }

    /// <summary>All evaluations in order.</summary>
    public required IReadOnlyList<EvaluationResult> Evaluations { get; init; }

    /// <summary>The best evaluation by <see cref="TrainingOptions.BestMetric"/>; null if there was none.</summary>
    public required EvaluationResult? Best { get; init; }

    /// <summary>Folder of the checkpoint of <see cref="Best"/>; null without <see cref="TrainingOptions.OutputFolder"/>.</summary>
    public required string? BestCheckpoint { get; init; }

    /// <summary>Folder of the last checkpoint; null if none was written.</summary>
    public required string? LastCheckpoint { get; init; }

    /// <summary>Duration of this run, including evaluations and checkpoints, but not the time before a resume.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Number of tokens trained on in this run, without padding.</summary>
    public required long Tokens { get; init; }

    /// <summary>Tokens per second of training steps, without padding, evaluations and checkpoints.</summary>
    public required double TokensPerSecond { get; init; }
}

/// <summary>A run was cancelled; it ended after its current step. As an <see cref="OperationCanceledException"/>, it sets the status of the task to Canceled.</summary>
public sealed class TrainingCanceledException : OperationCanceledException
{
    internal TrainingCanceledException(TrainingResult result, CancellationToken token)
        : base($"The training was cancelled after step {result.Steps}{(result.LastCheckpoint is { } folder ? $"; the last checkpoint is {folder}" : "")}.", token)
        => Result = result;

    /// <summary>The result up to the cancellation.</summary>
    public TrainingResult Result { get; }
}
