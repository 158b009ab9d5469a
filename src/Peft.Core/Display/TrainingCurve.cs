namespace Peft;

/// <summary>The loss curve of a run in progress. A notebook displays it as a chart.</summary>
/// <remarks>
/// <c>var curve = new TrainingCurve(); curve.Changed = display(curve).Update; trainer.Train(curve);</c> draws a chart that is updated during training.
/// Thread-safe.
/// </remarks>
[TypeFormatterSource(typeof(TrainingCurveDisplay))]
public sealed class TrainingCurve : IProgress<TrainingProgress>
{
    private readonly Lock guard = new();
    private readonly List<double> losses = [];
    private readonly List<EvaluationResult> evaluations = [];
    private long shown;

    /// <summary>Called with this curve after it has changed: at most once per <see cref="Interval"/>, and after the last step. Null by default.</summary>
    public Action<TrainingCurve>? Changed { get; set; }

    /// <summary>Minimum time between two calls of <see cref="Changed"/>. 0.25 s by default.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(0.25);

    /// <summary>The clock for <see cref="Interval"/>.</summary>
    public TimeProvider Time { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = TimeProvider.System;

    /// <summary>The latest progress; null before the first step.</summary>
    public TrainingProgress? Last { get; private set; }

    /// <summary>Loss of each step so far, from the first step of this run.</summary>
    public IReadOnlyList<double> Losses
    {
        get { lock (guard) return [.. losses]; }
    }

    /// <summary>Evaluations so far.</summary>
    public IReadOnlyList<EvaluationResult> Evaluations
    {
        get { lock (guard) return [.. evaluations]; }
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        lock (guard)
        {
            Last = value;
            losses.Add(value.Loss);
            if (value.LastEvaluation is { } evaluation && evaluation != evaluations.LastOrDefault()) evaluations.Add(evaluation);
            if (shown != 0 && Time.GetElapsedTime(shown) < Interval && value.Step < value.TotalSteps) return;
            shown = Time.GetTimestamp();
        }
        Changed?.Invoke(this);
    }
}
