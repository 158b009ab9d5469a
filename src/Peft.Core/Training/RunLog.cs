using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Peft.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;

namespace Peft;

/// <summary>Writes steps and evaluations to the logger, to TensorBoard and to a JSON Lines file.</summary>
internal sealed class RunLog : IDisposable
{
    private readonly ILogger logger;
    private readonly SummaryWriter? board;
    private readonly StreamWriter? lines;
    private readonly string paths;
    private readonly TrainingMetrics metrics = new();
    private double loss;
    private int steps;

    /// <param name="options">Options with the TensorBoard folder and the JSON Lines file.</param>
    /// <param name="logger">The logger.</param>
    /// <param name="resumedStep">Step from which the run resumes, or null for a new run. Lines of later steps are deleted, since these steps are repeated.</param>
    public RunLog(TrainingOptions options, ILogger logger, int? resumedStep)
    {
        this.logger = logger;
        paths = string.Join(" and ", new[] { options.TensorBoardFolder, options.JsonLogFile }.OfType<string>());
        if (options.TensorBoardFolder is { } folder) board = Named(() => torch.utils.tensorboard.SummaryWriter(Directory.CreateDirectory(folder).FullName));
        if (options.JsonLogFile is { } file) lines = Named(() => Open(file, resumedStep));
    }

    /// <summary>Adds the loss and the metrics of a step to the means that <see cref="Step"/> logs.</summary>
    public void Add(TrainingProgress step)
    {
        loss += step.Loss;
        steps++;
        foreach (var (name, value) in step.Metrics) metrics.Add(name, value);
    }

    public void Step(TrainingProgress step)
    {
        var means = metrics.Means();
        metrics.Dispose();
        var mean = loss / steps;
        (loss, steps) = (0, 0);
        TrainingLog.Step(logger, step.Step, step.TotalSteps, mean, step.GradientNorm, step.LearningRate);
        Write(step.Step, new Dictionary<string, double>
        {
            ["train/loss"] = mean,
            ["train/gradient_norm"] = step.GradientNorm,
            ["train/learning_rate"] = step.LearningRate,
            ["train/epoch"] = step.Epoch,
        }.Concat(means.Select(metric => new KeyValuePair<string, double>("train/" + metric.Key, metric.Value))), "train/", step.Samples);
    }

    public void Evaluated(EvaluationResult evaluation)
    {
        if (logger.IsEnabled(LogLevel.Information))
            TrainingLog.Evaluated(logger, evaluation.Step, evaluation.Loss, string.Join(", ", evaluation.Metrics.Select(metric => $"{metric.Key} {metric.Value:G6}")));
        Write(evaluation.Step, evaluation.Metrics.ToDictionary(metric => "evaluation/" + metric.Key, metric => metric.Value).Append(new("evaluation/loss", evaluation.Loss)), "evaluation/", evaluation.Samples);
    }

    public void Dispose()
    {
        metrics.Dispose();
        try
        {
            lines?.Dispose();
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // Every line was flushed when it was written, so this repeats the error of a line that has already ended the run.
        }
    }

    private void Write(int step, IEnumerable<KeyValuePair<string, double>> values, string prefix, IReadOnlyDictionary<string, IReadOnlyList<string>> samples)
    {
        var line = new JsonObject { ["step"] = step };
        Named(() =>
        {
            foreach (var (name, value) in values)
            {
                board?.add_scalar(name, (float)value, step);
                line[name] = double.IsFinite(value) ? value : value.ToString(System.Globalization.CultureInfo.InvariantCulture);
            }
            foreach (var (name, texts) in samples)
            {
                board?.add_text(prefix + name, string.Join("\n\n---\n\n", texts), step);   // TensorBoard shows Markdown
                line[prefix + name] = new JsonArray([.. texts.Select(text => JsonValue.Create(text))]);
            }
            lines?.WriteLine(line.ToJsonString());
            return true;
        });
    }

    private T Named<T>(Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception error) when (DiskFault.Is(error) || error is CheckpointException)
        {
            throw new TrainingException($"The log {paths} cannot be written: {error.Message} Free disk space there or choose another path, and resume from the last checkpoint with ResumeFrom.", error);
        }
    }

    private static StreamWriter Open(string file, int? resumedStep)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        if (resumedStep is { } step && File.Exists(file)) KeepUntil(file, step);
        return new StreamWriter(file, append: true) { AutoFlush = true };
    }

    private static void KeepUntil(string file, int step)
    {
        var kept = File.ReadLines(file).Where(line => StepOf(line) <= step).ToList();
        AtomicFile.WriteText(file, string.Concat(kept.Select(line => line + "\n")));
    }

    // A killed run may have left an incomplete line.
    private static int StepOf(string line)
    {
        try
        {
            using var row = JsonFile.Parse(line);
            return row.RootElement.GetProperty("step").GetInt32();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            return int.MaxValue;
        }
    }
}
