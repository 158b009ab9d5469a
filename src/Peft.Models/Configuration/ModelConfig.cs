using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Models;

/// <summary>A model's <c>config.json</c>: typed access to its fields, by Hugging Face's names.</summary>
public sealed class ModelConfig
{
    private readonly JsonObject fields;

    /// <summary>Wraps the fields of a configuration; <paramref name="source"/> names it in errors.</summary>
    public ModelConfig(JsonObject fields, string source = "config.json")
    {
        ArgumentNullException.ThrowIfNull(fields);
        this.fields = (JsonObject)fields.DeepClone();
        Source = source;
    }

    /// <summary>Reads <c>config.json</c> of a model folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="limits">How large the file may be; <see cref="ResourceLimits.Default"/> if null.</param>
    /// <exception cref="ModelFolderException">The folder or the file is missing, or the file is not a JSON object.</exception>
    public static ModelConfig FromFolder(string folder, ResourceLimits? limits = null)
    {
        if (!Directory.Exists(folder)) throw new ModelFolderException($"There is no model folder '{folder}'.");
        var path = Path.Combine(folder, "config.json");
        if (!SmallFile.Exists(path))
            throw new ModelFolderException($"'{folder}' holds no config.json, so it is not a model in Hugging Face's layout.");
        return FromFile(path, limits);
    }

    /// <summary>Reads a file of settings that is there.</summary>
    internal static ModelConfig FromFile(string path, ResourceLimits? limits)
    {
        limits ??= ResourceLimits.Default;
        var content = SmallFile.Read(path, limits.MaxConfigBytes, limits.Remedy(nameof(ResourceLimits.MaxConfigBytes), $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)}"), Failure);
        return new(StrictJson.Object(content, path, Failure), path) { Limits = limits };
    }

    /// <summary>Parses the text of a <c>config.json</c>.</summary>
    /// <exception cref="ModelFolderException">The text is not a JSON object, or names a field twice.</exception>
    public static ModelConfig Parse(string json, string source = "config.json")
    {
        ArgumentNullException.ThrowIfNull(json);
        return new(StrictJson.Object(System.Text.Encoding.UTF8.GetBytes(json), source, Failure), source);
    }

    /// <summary>What the model may cost.</summary>
    internal ResourceLimits Limits { get; private init; } = ResourceLimits.Default;

    /// <summary>Where the configuration came from, for messages.</summary>
    public string Source { get; }

    /// <summary>Name of the architecture, such as <c>llama</c>.</summary>
    public string ModelType => Text("model_type", null) ?? throw Missing("model_type");

    /// <summary>Number of classes of a classification head: <c>num_labels</c>, or the size of <c>id2label</c>, or 2.</summary>
    public int LabelCount => Whole("num_labels") is { } count ? (count > 0 ? AtMost(Limits.MaxLabels, "num_labels", nameof(ResourceLimits.MaxLabels)) : throw Wrong("num_labels", "a positive number")) : Object("id2label")?.Count ?? 2;

    /// <summary>Names of the classes of a classification head in their order: <c>id2label</c>, or <c>LABEL_0</c> and so on.</summary>
    public IReadOnlyList<string> Labels
        => [.. Enumerable.Range(0, LabelCount).Select(id => Object("id2label")?[id.ToString(CultureInfo.InvariantCulture)]?.ToString() ?? DefaultLabel(id))];

    /// <summary>Standard deviation of a fresh weight.</summary>
    public double InitializerRange => Number("initializer_range", Number("init_std", 0.02));

    /// <summary>Id of the padding token, or null.</summary>
    public int? PadTokenId => Whole("pad_token_id");

    /// <summary>A copy with a field set, for instance <c>num_labels</c>.</summary>
    public ModelConfig With(string name, JsonNode? value)
    {
        var copy = Copy();
        copy.fields[name] = value is null ? null : JsonNode.Parse(value.ToJsonString());   // read like a file's, whatever it was made from
        return copy;
    }

    /// <summary>The configuration with a field that the file does not name; null in the file is a value.</summary>
    internal ModelConfig Default(string name, JsonNode value) => Names(name) ? this : With(name, value);

    /// <summary>A copy without a field.</summary>
    internal ModelConfig Without(string name)
    {
        var copy = Copy();
        copy.fields.Remove(name);
        return copy;
    }

    /// <summary>A copy with the labels and the task that options name, as Hugging Face writes them.</summary>
    internal ModelConfig WithTask(LoadOptions options)
    {
        var config = WithLabels(options);
        if (options.Problem is { } problem) config = config.With("problem_type", problem.ToField());
        return options.Pooling is { } pooling ? config.With(Poolings.Field, pooling.ToField()) : config;
    }

    private ModelConfig WithLabels(LoadOptions options)
    {
        if (!options.NamesLabels) return this;
        if (options is { LabelCount: { } count, Id2Label: { } given } && given.Count != count)
            throw new ArgumentException($"LabelCount is {count}, but Id2Label has {given.Count} names: leave one out.", nameof(options));
        if (options.LabelCount < 1 || options.Id2Label is { Count: 0 }) throw new ArgumentException("A classification head needs at least one class.", nameof(options));
        var labels = options.Id2Label ?? [.. Enumerable.Range(0, options.LabelCount!.Value).Select(DefaultLabel)];
        if (labels.Distinct(StringComparer.Ordinal).Count() < labels.Count)
            throw new ArgumentException($"Id2Label names a class twice: {string.Join(", ", labels)}.", nameof(options));
        return WithLabels(labels);
    }

    /// <summary>A copy with other names of classes.</summary>
    internal ModelConfig WithLabels(IReadOnlyList<string> labels)
    {
        var (names, ids) = (new JsonObject(), new JsonObject());
        for (var id = 0; id < labels.Count; id++)
        {
            names[id.ToString(CultureInfo.InvariantCulture)] = labels[id];
            ids[labels[id]] = id;
        }
        // transformers does not write num_labels: it counts id2label.
        return With("id2label", names).With("label2id", ids).Without("num_labels");
    }

    /// <summary>The configuration with other limits; with its own if null.</summary>
    internal ModelConfig Within(ResourceLimits? limits) => limits is null ? this : new(fields, Source) { Limits = limits };

    /// <summary>A number of a field that the file has, which must not exceed a limit.</summary>
    internal int AtMost(int most, string name, string limit)
        => Whole(name) is { } value && value > most
            ? throw new ModelFolderException(string.Create(CultureInfo.InvariantCulture, $"{Source}: {name} is {value:N0}. {Limits.Remedy(limit, $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)}")}"))
            : Whole(name)!.Value;

    /// <summary>Whether the names are those that stand where nobody has named the classes.</summary>
    internal static bool AreDefault(IReadOnlyList<string> labels) => labels.Select((label, id) => label == DefaultLabel(id)).All(own => own);

    private static string DefaultLabel(int id) => $"LABEL_{id}";

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name) => fields[name] is not null;

    /// <summary>Whether the field is there, be it null.</summary>
    internal bool Names(string name) => fields.ContainsKey(name);

    /// <summary>A field as it stands in the file; null if absent.</summary>
    public JsonNode? this[string name] => fields[name];

    /// <summary>The configuration as JSON.</summary>
    public override string ToString() => fields.ToJsonString(Indented);

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A positive number that must be there, such as <c>hidden_size</c>.</summary>
    /// <exception cref="ModelFolderException">It is absent or no positive number.</exception>
    public int Size(string name)
    {
        var value = Integer(name, null) ?? throw Missing(name);
        return value is > 0 and <= int.MaxValue
            ? (int)value
            : throw new ModelFolderException($"{Source}: {name} must be a positive number, but is {value}.");
    }

    /// <summary>A positive number, or what stands for it where the file gives none.</summary>
    /// <exception cref="ModelFolderException">It is no positive number.</exception>
    public int Size(string name, int fallback) => Has(name) ? Size(name)
        : fallback > 0 ? fallback : throw new ModelFolderException($"{Source} has no field {name}, and what stands for it by the other sizes is {fallback}.");

    internal long? Integer(string name, long? fallback)
    {
        var number = Value<double?>(name, null, "a number");
        // Beyond 2^53 not every whole number is a double, and further on not every double a long.
        if (number is { } value && (value != Math.Floor(value) || Math.Abs(value) > 1L << 53)) throw Wrong(name, "a whole number");
        return number is { } whole ? (long)whole : fallback;
    }

    /// <summary>A whole number of 32 bits; null if the file gives none.</summary>
    internal int? Whole(string name) => Integer(name, null) switch
    {
        null => null,
        >= int.MinValue and <= int.MaxValue and var value => (int)value,
        _ => throw Wrong(name, $"a whole number of at most {int.MaxValue:N0}"),
    };

    /// <summary>A number, or what stands for it where the file gives none.</summary>
    /// <exception cref="ModelFolderException">It is no number.</exception>
    public double Number(string name, double fallback) => Value<double>(name, fallback, "a number");

    /// <summary>True or false, or what stands for it where the file gives none.</summary>
    /// <exception cref="ModelFolderException">It is neither.</exception>
    public bool Flag(string name, bool fallback) => Value(name, fallback, "true or false");

    /// <summary>A text, or what stands for it where the file gives none.</summary>
    /// <exception cref="ModelFolderException">It is no text.</exception>
    public string? Text(string name, string? fallback) => Value(name, fallback, "a text");

    internal JsonObject? Object(string name) => fields[name] switch
    {
        null => null,
        JsonObject value => value,
        _ => throw Wrong(name, "an object"),
    };

    internal IReadOnlyList<string>? Texts(string name) => fields[name] switch
    {
        null => null,
        JsonArray values => [.. values.Select(v => v?.ToString() ?? "")],
        _ => throw Wrong(name, "a list"),
    };

    internal IReadOnlyList<int> Ids(string name) => fields[name] switch
    {
        null => [],
        JsonArray values => [.. values.Select(each => each is JsonValue one && one.TryGetValue<int>(out var number) ? number : throw Wrong(name, "a token id or a list of them"))],
        JsonValue value when value.TryGetValue<int>(out var id) => [id],
        _ => throw Wrong(name, "a token id or a list of them"),
    };

    /// <summary>Refuses a configuration whose field is neither absent nor the one value that is implemented.</summary>
    /// <exception cref="UnsupportedModelException">It is the other.</exception>
    public void Only(string name, bool value) => Refuse(Flag(name, value) != value, name);

    internal void OnlyAbsentOr(string name, double value) => Refuse(Number(name, value) != value, name);

    internal void Refuse(bool condition, string name)
    {
        if (!condition) return;
        throw new UnsupportedModelException(
            $"{Source}: {name} = {fields[name]?.ToJsonString()} asks for something that is not implemented for model_type '{ModelType}'. "
            + "Running the model without it would give wrong numbers.");
    }

    private ModelConfig Copy() => new(fields, Source) { Limits = Limits };

    private T Value<T>(string name, T fallback, string kind)
    {
        if (fields[name] is not { } node) return fallback;
        return node is JsonValue value && value.TryGetValue<T>(out var result) && result is not double.PositiveInfinity and not double.NegativeInfinity ? result : throw Wrong(name, kind);
    }

    private string? Shown(string name) => fields[name]?.ToJsonString() is { Length: > 200 } text ? text[..200] + "…" : fields[name]?.ToJsonString();

    private static ModelFolderException Failure(string message, Exception? inner) => new(message, inner);

    private ModelFolderException Missing(string name) => new($"{Source} has no field {name}, which the model needs.");

    private ModelFolderException Wrong(string name, string kind)
        => new(string.Create(CultureInfo.InvariantCulture, $"{Source}: {name} must be {kind}, but is {Shown(name)}."));
}
