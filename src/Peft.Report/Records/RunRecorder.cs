using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Peft.Checkpoints;

namespace Peft.Report;

/// <summary>Records a run as JSON Lines: settings, every step with its speed and memory, evaluations, samples, and what the adapter changed of each layer.</summary>
/// <remarks>
/// Each line is written at once, so that a killed run is recorded up to its last step. A resumed run continues the same file: lines of steps that are repeated
/// are deleted. Besides these lines, it holds those of <see cref="TrainingOptions.JsonLogFile"/>.
/// </remarks>
public sealed class RunRecorder : ITrainerCallback, IDisposable
{
    internal static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private StreamWriter? lines;
    private Trainer? trainer;
    private bool resumes;
    private int step;

    /// <param name="path">The file. A new run replaces it; a resumed one appends to it.</param>
    public RunRecorder(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        File = path;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>Name of the run; that of the file's folder if null.</summary>
    public string? Name { get; init; }

    /// <summary>Prompts that are completed before and after training; none by default. They need <see cref="Complete"/>.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <summary>Completes a prompt by the model that is being trained: <c>prompt => model.Generate(prompt, tokenizer)</c>; null for no samples.</summary>
    public Func<string, string>? Complete { get; init; }

    /// <inheritdoc/>
    public void OnTrainBegin(TrainerControl control)
    {
        ArgumentNullException.ThrowIfNull(control);
        trainer = control.Trainer;
        resumes = trainer.Options.ResumeFrom is not null && System.IO.File.Exists(File);
        Dispose();
        if (resumes) return;   // the first event tells from which step
        Open(append: false);
        Begin(0, control.TotalSteps);
        Sample(0);
    }

    /// <inheritdoc/>
    public void OnStepEnd(TrainingProgress progress, TrainerControl control)
    {
        ArgumentNullException.ThrowIfNull(progress);
        Resume(progress.Step - 1, progress.TotalSteps);
        step = progress.Step;
        var line = new JsonObject
        {
            ["step"] = step,
            ["train/loss"] = Number(progress.Loss),
            ["train/gradient_norm"] = Number(progress.GradientNorm),
            ["train/learning_rate"] = Number(progress.LearningRate),
            ["train/epoch"] = Number(progress.Epoch),
            ["train/tokens"] = progress.Tokens,
            ["train/seconds"] = Number(progress.Elapsed.TotalSeconds),
            ["train/memory_bytes"] = Environment.WorkingSet,
        };
        if (progress.Elapsed > TimeSpan.Zero) line["train/tokens_per_second"] = Number(progress.Tokens / progress.Elapsed.TotalSeconds);
        Add(line, "train/", progress.Metrics, progress.Samples);
        Write(line);
    }

    /// <inheritdoc/>
    public void OnEvaluated(EvaluationResult evaluation, TrainerControl control)
    {
        ArgumentNullException.ThrowIfNull(evaluation);
        ArgumentNullException.ThrowIfNull(control);
        Resume(evaluation.Step, control.TotalSteps);
        var line = new JsonObject { ["step"] = evaluation.Step, ["evaluation/loss"] = Number(evaluation.Loss) };
        Add(line, "evaluation/", evaluation.Metrics, evaluation.Samples);
        Write(line);
    }

    /// <summary>Records what the adapter has changed of each layer up to the checkpoint; the singular values follow at the end of the run.</summary>
    public void OnSaved(string folder, TrainerControl control) => Measure(singularValues: false);

    /// <inheritdoc/>
    public void OnTrainEnd(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        Measure(singularValues: true);
        Sample(result.Steps);
        Write(new JsonObject { ["step"] = result.Steps, ["ended"] = result.StopReason.ToString() });
        Dispose();
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        lines?.Dispose();
        lines = null;
    }

    private void Begin(int at, int totalSteps)
    {
        if (trainer is null) return;
        var configuration = new JsonObject();
        foreach (var (name, value) in RunConfiguration.Of(trainer)) configuration[name] = value;
        Write(new JsonObject
        {
            ["step"] = at,
            ["run"] = new JsonObject
            {
                ["name"] = Name ?? Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(File))),
                ["total_steps"] = totalSteps,
                ["configuration"] = configuration,
            },
        });
    }

    private void Resume(int done, int totalSteps)
    {
        if (!resumes) return;
        resumes = false;
        Named(() =>
        {
            var kept = System.IO.File.ReadLines(File).Where(line => StepOf(line) <= done && !line.Contains("\"ended\"", StringComparison.Ordinal)).ToList();
            AtomicFile.WriteText(File, string.Concat(kept.Select(line => line + "\n")));
        });
        Open(append: true);
        Begin(done, totalSteps);
    }

    private void Measure(bool singularValues)
    {
        if (trainer?.Model is not PeftModel model) return;
        Write(new JsonObject { ["step"] = step, ["layers"] = JsonSerializer.SerializeToNode(model.Updates(singularValues: singularValues), Json) });
    }

    private void Sample(int at)
    {
        if (Complete is not { } complete || Prompts.Count == 0) return;
        Write(new JsonObject { ["step"] = at, ["samples"] = new JsonArray([.. Prompts.Select(prompt => new JsonObject { ["prompt"] = prompt, ["text"] = complete(prompt) })]) });
    }

    private static void Add(JsonObject line, string prefix, IReadOnlyDictionary<string, double> metrics, IReadOnlyDictionary<string, IReadOnlyList<string>> samples)
    {
        foreach (var (name, value) in metrics) line[prefix + name] = Number(value);
        foreach (var (name, texts) in samples) line[prefix + name] = new JsonArray([.. texts.Select(text => JsonValue.Create(text))]);
    }

    // JSON has no NaN.
    private static JsonValue Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : JsonValue.Create(value.ToString(CultureInfo.InvariantCulture));

    private static int StepOf(string line)
    {
        try
        {
            return (int?)JsonNode.Parse(line)?["step"] ?? int.MaxValue;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            return int.MaxValue;   // a killed run left it incomplete
        }
    }

    private void Open(bool append) => Named(() =>
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(File))!);
        lines = new StreamWriter(new FileStream(File, append ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete)) { AutoFlush = true };
    });

    private void Write(JsonObject line) => Named(() => lines?.WriteLine(line.ToJsonString(Json)));

    private void Named(Action write)
    {
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ReportException($"The run cannot be recorded in {File}: {error.Message} Free disk space there or choose another path.", error);
        }
    }
}
