namespace Peft;

/// <summary>The result of a run.</summary>
[TypeFormatterSource(typeof(TrainingResultDisplay))]
public sealed record TrainingResult
{
    /// <summary>The reason that the run ended.</summary>
    public required StopReason StopReason { get; init; }

    /// <summary>Number of completed optimizer steps, including those before a resume.</summary>
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

    /// <summary>The peak memory of the process in each phase of this run.</summary>
    public required MemoryPeaks Memory { get; init; }

    /// <summary>Number of training tokens of this run, without padding.</summary>
    public required long Tokens { get; init; }

    /// <summary>Tokens per second in training steps, excluding padding, evaluations and checkpoints.</summary>
    public required double TokensPerSecond { get; init; }
}
