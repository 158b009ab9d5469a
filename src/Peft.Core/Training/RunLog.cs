using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Peft.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;

namespace Peft;

/// <summary>Writes steps and evaluations to the logger, TensorBoard and a JSON Lines file.</summary>
internal sealed class RunLog : IDisposable
{
    private readonly ILogger logger;
    private readonly SummaryWriter? board;
    private readonly StreamWriter? lines;
    private readonly string places;

    /// <param name="options">Where to write.</param>
    /// <param name="logger">Where to log.</param>
    /// <param name="resumedStep">Step that the run goes on from, null for a new one: lines of later steps are dropped, since those steps come again.</param>
    public RunLog(TrainingOptions options, ILogger logger, int? resumedStep)
    {
        this.logger = logger;
        places = string.Join(" and ", new[] { options.TensorBoardFolder, options.JsonLogFile }.OfType<string>());
        if (options.TensorBoardFolder is { } folder) board = Named(() => torch.utils.tensorboard.SummaryWriter(Directory.CreateDirectory(folder).FullName));
        if (options.JsonLogFile is { } file) lines = Named(() => Open(file, resumedStep));
    }

    public void Step(TrainingProgress step)
    {
        TrainingLog.Step(logger, step.Step, step.TotalSteps, step.Loss, step.GradientNorm, step.LearningRate);
        Write(step.Step, new Dictionary<string, double>
        {
            ["train/loss"] = step.Loss,
            ["train/gradient_norm"] = step.GradientNorm,
            ["train/learning_rate"] = step.LearningRate,
            ["train/epoch"] = step.Epoch,
        });
    }

    public void Evaluated(EvaluationResult evaluation)
    {
        if (logger.IsEnabled(LogLevel.Information))
            TrainingLog.Evaluated(logger, evaluation.Step, evaluation.Loss, string.Join(", ", evaluation.Metrics.Select(metric => $"{metric.Key} {metric.Value:G6}")));
        Write(evaluation.Step, evaluation.Metrics.ToDictionary(metric => "evaluation/" + metric.Key, metric => metric.Value).Append(new("evaluation/loss", evaluation.Loss)));
    }

    public void Dispose()
    {
        try
        {
            lines?.Dispose();
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // Each line was written out when it came: this repeats the error of a line, which has ended the run already.
        }
    }

    private void Write(int step, IEnumerable<KeyValuePair<string, double>> values)
    {
        var line = new JsonObject { ["step"] = step };
        Named(() =>
        {
            foreach (var (name, value) in values)
            {
                board?.add_scalar(name, (float)value, step);
                line[name] = double.IsFinite(value) ? value : value.ToString(System.Globalization.CultureInfo.InvariantCulture);
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
            throw new TrainingException($"The log {places} cannot be written: {error.Message} Make room there or choose another place, and go on from the last checkpoint by ResumeFrom.", error);
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

    // A killed run may have left half a line.
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
