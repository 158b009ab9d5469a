using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;

namespace Peft;

/// <summary>
/// The task for which a classifier's adapter was trained: names of the classes, problem type, pooling. It is saved next to the adapter as <c>task.json</c>, with
/// the field names of a model's <c>config.json</c>. Hugging Face PEFT ignores this file.
/// </summary>
public sealed record TaskDescription
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "task.json";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Names of the classes, in the order of their ids (<c>id2label</c>).</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>
    /// <c>problem_type</c>: <c>single_label_classification</c>, <c>multi_label_classification</c> or <c>regression</c>; if null, it follows from the number of
    /// classes.
    /// </summary>
    public string? ProblemType { get; init; }

    /// <summary><c>classifier_pooling</c>: <c>cls</c>, <c>mean</c> or <c>last</c>; null for the architecture's default.</summary>
    public string? Pooling { get; init; }

    /// <summary>Reads the task description next to an adapter; null if there is none.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <exception cref="CheckpointException">The file is not a valid task description.</exception>
    public static TaskDescription? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) return null;
        try
        {
            var fields = JsonNode.Parse(JsonFile.Read(path), null, new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject;
            var names = fields?["id2label"] as JsonObject ?? throw new CheckpointException(path, "has no \"id2label\" object, which names the classes.");
            var labels = Enumerable.Range(0, names.Count)
                .Select(id => names[id.ToString(CultureInfo.InvariantCulture)]?.GetValue<string>() ?? throw new CheckpointException(path, $"has {names.Count} classes in \"id2label\", but none with the id {id}.")).ToList();
            if (labels.Count == 0 || labels.Exists(string.IsNullOrEmpty) || labels.Distinct(StringComparer.Ordinal).Count() < labels.Count)
                throw new CheckpointException(path, "has no class in \"id2label\", an empty class name, or the same name twice.");
            return new() { Labels = labels, ProblemType = fields!["problem_type"]?.GetValue<string>(), Pooling = fields["classifier_pooling"]?.GetValue<string>() };
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Serializes the description as the content of the file.</summary>
    public string ToJson()
    {
        var fields = new JsonObject
        {
            ["id2label"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create<string, JsonNode?>(id.ToString(CultureInfo.InvariantCulture), label))),
            ["label2id"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create<string, JsonNode?>(label, id))),
        };
        if (ProblemType is not null) fields["problem_type"] = ProblemType;
        if (Pooling is not null) fields["classifier_pooling"] = Pooling;
        return fields.ToJsonString(Json) + "\n";
    }
}
