using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Models;

/// <summary>A model's <c>config.json</c>: typed access to its fields by their Hugging Face names.</summary>
public sealed class ModelConfig
{
    private readonly JsonObject fields;

    /// <summary>Wraps the fields of a configuration. <paramref name="source"/> names it in error messages.</summary>
    public ModelConfig(JsonObject fields, string source = "config.json")
    {
        ArgumentNullException.ThrowIfNull(fields);
        this.fields = (JsonObject)fields.DeepClone();
        Source = source;
    }

    /// <summary>Reads the <c>config.json</c> of a model folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="limits">Limits on the file size; null for <see cref="ResourceLimits.Default"/>.</param>
    /// <exception cref="ModelFolderException">The folder or the file is missing, or the file is not a JSON object.</exception>
    public static ModelConfig FromFolder(string folder, ResourceLimits? limits = null)
    {
        if (!Directory.Exists(folder)) throw new ModelFolderException($"The model folder '{folder}' does not exist.");
        var path = Path.Combine(folder, "config.json");
        if (!SmallFile.Exists(path))
            throw new ModelFolderException($"'{folder}' has no config.json, so it is not a model in Hugging Face's layout.");
        return FromFile(path, limits);
    }

    /// <summary>Reads an existing configuration file.</summary>
    internal static ModelConfig FromFile(string path, ResourceLimits? limits)
    {
        limits ??= ResourceLimits.Default;
        var content = SmallFile.Read(path, limits.MaxConfigBytes, limits.Remedy(nameof(ResourceLimits.MaxConfigBytes), $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)}"), Failure);
        return new(StrictJson.Object(content, path, Failure), path) { Limits = limits };
    }

    /// <summary>Parses the content of a <c>config.json</c>.</summary>
    /// <exception cref="ModelFolderException">The content is not a JSON object, or has a duplicate field.</exception>
    public static ModelConfig Parse(string json, string source = "config.json")
    {
        ArgumentNullException.ThrowIfNull(json);
        return new(StrictJson.Object(System.Text.Encoding.UTF8.GetBytes(json), source, Failure), source);
    }

    /// <summary>The limits that the model must stay within.</summary>
    internal ResourceLimits Limits { get; private init; } = ResourceLimits.Default;

    /// <summary>Origin of the configuration, for error messages.</summary>
    public string Source { get; }

    /// <summary>Name of the architecture, such as <c>llama</c>.</summary>
    public string ModelType => Text("model_type", null) ?? throw Missing("model_type");

    /// <summary>Number of classes of a classification head: <c>num_labels</c>, or else the size of <c>id2label</c>, or else 2.</summary>
    public int LabelCount => Whole("num_labels") is { } count ? (count > 0 ? AtMost(Limits.MaxLabels, "num_labels", nameof(ResourceLimits.MaxLabels)) : throw Wrong("num_labels", "a positive number")) : Object("id2label")?.Count ?? 2;

    /// <summary>Names of the classes of a classification head in order: <c>id2label</c>, or else <c>LABEL_0</c> and so on.</summary>
    public IReadOnlyList<string> Labels
        => [.. Enumerable.Range(0, LabelCount).Select(id => Object("id2label")?[id.ToString(CultureInfo.InvariantCulture)]?.ToString() ?? DefaultLabel(id))];

    /// <summary>Standard deviation for initializing new weights.</summary>
    public double InitializerRange => Number("initializer_range", Number("init_std", 0.02));

    /// <summary>Id of the padding token; null if there is none.</summary>
    public int? PadTokenId => Whole("pad_token_id");

    /// <summary>A copy with a field set, for example <c>num_labels</c>.</summary>
    public ModelConfig With(string name, JsonNode? value)
    {
        var copy = Copy();
        copy.fields[name] = value is null ? null : JsonNode.Parse(value.ToJsonString());   // parsed again, so that values have the types of a parsed file
        return copy;
    }

    /// <summary>A copy with a default for a field that the file does not have. An explicit null in the file is kept.</summary>
    internal ModelConfig Default(string name, JsonNode value) => Contains(name) ? this : With(name, value);

    /// <summary>A copy without a field.</summary>
    internal ModelConfig Without(string name)
    {
        var copy = Copy();
        copy.fields.Remove(name);
        return copy;
    }

    /// <summary>A copy with the labels and the task of the options, in the fields that Hugging Face uses.</summary>
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
            throw new ArgumentException($"LabelCount is {count}, but Id2Label has {given.Count} names: set only one of them.", nameof(options));
        if ((options.LabelCount ?? options.Id2Label!.Count) is var requested && requested > Limits.MaxLabels)
            throw new ArgumentException($"{requested} classes are requested. {Limits.Remedy(nameof(ResourceLimits.MaxLabels), $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)}")}", nameof(options));
        if (options.Id2Label?.Contains(null!) == true) throw new ArgumentException("Id2Label has a class without a name.", nameof(options));
        if (options.LabelCount < 1 || options.Id2Label is { Count: 0 }) throw new ArgumentException("A classification head needs at least one class.", nameof(options));
        var labels = options.Id2Label ?? [.. Enumerable.Range(0, options.LabelCount!.Value).Select(DefaultLabel)];
        if (labels.Distinct(StringComparer.Ordinal).Count() < labels.Count)
            throw new ArgumentException($"Id2Label has a duplicate class: {string.Join(", ", labels)}.", nameof(options));
        return WithLabels(labels);
    }

    /// <summary>A copy with different class names.</summary>
    internal ModelConfig WithLabels(IReadOnlyList<string> labels)
    {
        var (names, ids) = (new JsonObject(), new JsonObject());
        for (var id = 0; id < labels.Count; id++)
        {
            names[id.ToString(CultureInfo.InvariantCulture)] = labels[id];
            ids[labels[id]] = id;
        }
        // transformers does not write num_labels; it counts id2label.
        return With("id2label", names).With("label2id", ids).Without("num_labels");
    }

    /// <summary>The configuration with different limits; null keeps the current ones.</summary>
    internal ModelConfig Within(ResourceLimits? limits) => limits is null ? this : new(fields, Source) { Limits = limits };

    /// <summary>The value of an existing field, which must not exceed a limit.</summary>
    internal int AtMost(int max, string name, string limit)
        => Whole(name) is { } value && value > max
            ? throw new ModelFolderException(string.Create(CultureInfo.InvariantCulture, $"{Source}: {name} is {value:N0}. {Limits.Remedy(limit, $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)}")}"))
            : Whole(name)!.Value;

    /// <summary>True if the names are the default ones (<c>LABEL_0</c> and so on).</summary>
    internal static bool AreDefault(IReadOnlyList<string> labels) => labels.Select((label, id) => label == DefaultLabel(id)).All(isDefault => isDefault);

    private static string DefaultLabel(int id) => $"LABEL_{id}";

    /// <summary>True if the field exists and is not null.</summary>
    public bool Has(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return fields[name] is not null;
    }

    /// <summary>True if the field exists, even if it is null.</summary>
    internal bool Contains(string name) => fields.ContainsKey(name);

    /// <summary>The raw value of a field; null if it is missing.</summary>
    public JsonNode? this[string name] => fields[name];

    /// <summary>The configuration as JSON.</summary>
    public override string ToString() => fields.ToJsonString(Indented);

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A required positive number, such as <c>hidden_size</c>.</summary>
    /// <exception cref="ModelFolderException">The field is missing or not a positive number.</exception>
    public int Size(string name)
    {
        var value = Integer(name, null) ?? throw Missing(name);
        return value is > 0 and <= int.MaxValue
            ? (int)value
            : throw new ModelFolderException($"{Source}: {name} must be a positive number, but is {value}.");
    }

    /// <summary>A positive number; <paramref name="fallback"/> if the field is missing or null.</summary>
    /// <exception cref="ModelFolderException">The field is not a positive number.</exception>
    public int Size(string name, int fallback) => Has(name) ? Size(name)
        : fallback > 0 ? fallback : throw new ModelFolderException($"{Source} has no field {name}, and the value derived from the other sizes is {fallback}, which is not positive.");

    internal long? Integer(string name, long? fallback)
    {
        var number = Value<double?>(name, null, "a number");
        // Above 2^53 not every integer is a double, and large doubles do not fit a long.
        if (number is { } value && (value != Math.Floor(value) || Math.Abs(value) > 1L << 53)) throw Wrong(name, "a whole number");
        return number is { } whole ? (long)whole : fallback;
    }

    /// <summary>A 32-bit integer; null if the field is missing.</summary>
    internal int? Whole(string name) => Integer(name, null) switch
    {
        null => null,
        >= int.MinValue and <= int.MaxValue and var value => (int)value,
        _ => throw Wrong(name, $"a whole number of at most {int.MaxValue:N0}"),
    };

    /// <summary>A number; <paramref name="fallback"/> if the field is missing or null.</summary>
    /// <exception cref="ModelFolderException">The field is not a number.</exception>
    public double Number(string name, double fallback) => Value<double>(name, fallback, "a number");

    /// <summary>True or false; <paramref name="fallback"/> if the field is missing or null.</summary>
    /// <exception cref="ModelFolderException">The field is neither true nor false.</exception>
    public bool Flag(string name, bool fallback) => Value(name, fallback, "true or false");

    /// <summary>A list of whole numbers; null if it is missing or null.</summary>
    internal IReadOnlyList<int>? Wholes(string name) => fields[name] switch
    {
        null => null,
        JsonArray values => [.. values.Select(value => value is JsonValue each && each.TryGetValue<int>(out var number) ? number : throw Wrong(name, "a list of whole numbers"))],
        _ => throw Wrong(name, "a list of whole numbers"),
    };

    /// <summary>A string; <paramref name="fallback"/> if the field is missing or null.</summary>
    /// <exception cref="ModelFolderException">The field is not a string.</exception>
    public string? Text(string name, string? fallback) => Value(name, fallback, "a string");

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

    /// <summary>Throws if a field does not have the only value that is implemented. A missing field is accepted.</summary>
    /// <exception cref="UnsupportedModelException">The field has the other value.</exception>
    public void Only(string name, bool value) => Refuse(Flag(name, value) != value, name);

    internal void OnlyAbsentOr(string name, double value) => Refuse(Number(name, value) != value, name);

    internal void Refuse(bool condition, string name)
    {
        if (!condition) return;
        throw new UnsupportedModelException(
            $"{Source}: {name} = {fields[name]?.ToJsonString()} requires a feature that is not implemented for model_type '{ModelType}'. "
            + "Running the model without it would give wrong results.");
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
