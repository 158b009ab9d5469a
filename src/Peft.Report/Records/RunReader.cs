using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Report;

/// <summary>Reads the log of a run: one JSON object per line, with its <c>step</c> and what happened there.</summary>
internal static class RunReader
{
    private const string Train = "train/", Evaluation = "evaluation/";

    public static RunRecord Read(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, RunRecord.FileName) : path;
        if (!File.Exists(file))
            throw new ReportException(Directory.Exists(path) ? $"There is no {RunRecord.FileName} in {path}: name the log of a run, as a RunRecorder or TrainingOptions.JsonLogFile writes it." : $"There is no log {path}.");
        string[] lines;
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);   // the run may be writing
            using var reader = new StreamReader(stream);
            lines = reader.ReadToEnd().Split('\n');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ReportException($"The log {file} cannot be read: {error.Message}", error);
        }
        var name = Path.GetFileName(file) == RunRecord.FileName ? Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(file)))! : Path.GetFileNameWithoutExtension(file);
        return Parse(lines, file, name);
    }

    private static RunRecord Parse(string[] lines, string file, string name)
    {
        var (steps, evaluations, samples) = (new List<RunStep>(), new List<RunStep>(), new List<RunSample>());
        var record = new RunRecord { Name = name };
        for (var i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            try
            {
                var line = JsonNode.Parse(lines[i]) as JsonObject ?? throw new FormatException("it is not a JSON object");
                var step = (int)(line["step"] ?? throw new FormatException("it has no field 'step'"));
                if (line["run"] is JsonObject run)
                    record = record with
                    {
                        Name = (string?)run["name"] ?? name,
                        TotalSteps = (int?)run["total_steps"],
                        Configuration = (run["configuration"] as JsonObject ?? []).ToDictionary(pair => pair.Key, pair => pair.Value?.ToString() ?? ""),
                        Ended = null,
                    };
                if (Values(line, Train) is { Count: > 0 } values) steps.Add(new(step, values));
                if (Values(line, Evaluation) is { Count: > 0 } evaluated) evaluations.Add(new(step, evaluated));
                samples.AddRange(Samples(line, step));
                if (line["layers"] is JsonArray layers) record = record with { Layers = [.. layers.Select(layer => layer.Deserialize<LayerUpdate>(RunRecorder.Json) ?? throw new FormatException("a layer is null"))] };
                if (line["ended"] is { } ended) record = record with { Ended = (string?)ended };
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or OverflowException or ArgumentException)
            {
                if (i == lines.Length - 1 && (steps.Count > 0 || i > 0)) break;   // a killed run left it incomplete
                throw new ReportException($"{file}, line {i + 1} is not a line of a run's log: {error.Message}", error);
            }
        }
        return record with { Steps = steps, Evaluations = evaluations, Samples = samples };
    }

    private static Dictionary<string, double> Values(JsonObject line, string prefix)
        => line.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && pair.Value is JsonValue).ToDictionary(pair => pair.Key[prefix.Length..], pair => Number(pair.Value!));

    // NaN and infinite values are strings.
    private static double Number(JsonNode value)
        => value.GetValueKind() == JsonValueKind.String ? double.Parse(value.GetValue<string>(), CultureInfo.InvariantCulture) : value.GetValue<double>();

    private static IEnumerable<RunSample> Samples(JsonObject line, int step)
    {
        foreach (var sample in line["samples"] as JsonArray ?? []) yield return new(step, (string?)sample?["prompt"] ?? "", (string?)sample?["text"] ?? "");
        foreach (var (name, value) in line)
            if (value is JsonArray texts && (name.StartsWith(Train, StringComparison.Ordinal) || name.StartsWith(Evaluation, StringComparison.Ordinal)))
                foreach (var text in texts) yield return new(step, name, (string?)text ?? "");
    }
}
