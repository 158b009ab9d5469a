namespace Peft.Report;

/// <summary>What is known of a training run: finished, still going on or killed.</summary>
public sealed record RunRecord
{
    /// <summary>Name of the file that <see cref="RunRecorder"/> and the command line write in a run's folder.</summary>
    public const string FileName = "run.jsonl";

    /// <summary>Name of the run.</summary>
    public required string Name { get; init; }

    /// <summary>The settings of the run by name, in the order in which they were recorded; empty if the log holds none.</summary>
    public IReadOnlyDictionary<string, string> Configuration { get; init; } = new Dictionary<string, string>();

    /// <summary>Number of steps of the whole run; null if the log does not hold it.</summary>
    public int? TotalSteps { get; init; }

    /// <summary>The training steps, in order.</summary>
    public IReadOnlyList<RunStep> Steps { get; init; } = [];

    /// <summary>The evaluations, in order.</summary>
    public IReadOnlyList<RunStep> Evaluations { get; init; } = [];

    /// <summary>The adapter's layers as they were measured last; empty if they were not.</summary>
    public IReadOnlyList<LayerUpdate> Layers { get; init; } = [];

    /// <summary>The texts of the model, in order.</summary>
    public IReadOnlyList<RunSample> Samples { get; init; } = [];

    /// <summary>The reason that the run ended; null if it goes on or was killed.</summary>
    public string? Ended { get; init; }

    /// <summary>The last step; 0 before the first.</summary>
    public int LastStep => Steps.Count == 0 ? 0 : Steps[^1].Step;

    /// <summary>Reads the log of a run: a file of a <see cref="RunRecorder"/> or <see cref="TrainingOptions.JsonLogFile"/>, or a folder with a <see cref="FileName"/>.</summary>
    /// <remarks>An incomplete last line, as of a killed run, is left out.</remarks>
    /// <exception cref="ReportException">There is no such file, or it is not the log of a run.</exception>
    public static RunRecord Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return RunReader.Read(path);
    }

    /// <summary>The values of one name over the training steps that have it.</summary>
    public IReadOnlyList<(double Step, double Value)> Curve(string name) => Over(Steps, name);

    /// <summary>The values of one name over the evaluations that have it.</summary>
    public IReadOnlyList<(double Step, double Value)> EvaluationCurve(string name) => Over(Evaluations, name);

    private static List<(double Step, double Value)> Over(IReadOnlyList<RunStep> steps, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return [.. steps.Where(step => step.Values.ContainsKey(name)).Select(step => ((double)step.Step, step.Values[name]))];
    }
}
