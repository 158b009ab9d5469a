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
    /// <exception cref="ModelFolderException">The folder or the file is missing, or the file is not a JSON object.</exception>
    public static ModelConfig FromFolder(string folder)
    {
        if (!Directory.Exists(folder)) throw new ModelFolderException($"There is no model folder '{folder}'.");
        var path = Path.Combine(folder, "config.json");
        if (!File.Exists(path))
            throw new ModelFolderException($"'{folder}' holds no config.json, so it is not a model in Hugging Face's layout.");
        return Parse(File.ReadAllText(path), path);
    }

    /// <summary>Parses the text of a <c>config.json</c>.</summary>
    /// <exception cref="ModelFolderException">The text is not a JSON object.</exception>
    public static ModelConfig Parse(string json, string source = "config.json")
    {
        try
        {
            return JsonNode.Parse(json) is JsonObject fields
                ? new ModelConfig(fields, source)
                : throw new ModelFolderException($"{source} is not a JSON object.");
        }
        catch (JsonException exception)
        {
            throw new ModelFolderException($"{source} is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Where the configuration came from, for messages.</summary>
    public string Source { get; }

    /// <summary>Name of the architecture, such as <c>llama</c>.</summary>
    public string ModelType => Text("model_type", null) ?? throw Missing("model_type");

    /// <summary>Number of classes of a classification head: <c>num_labels</c>, or the size of <c>id2label</c>, or 2.</summary>
    /// <exception cref="ModelFolderException">The number makes no sense.</exception>
    public int LabelCount
    {
        get
        {
            var count = Integer("num_labels", null) ?? Object("id2label")?.Count ?? 2;
            return count is >= 1 and <= MostLabels ? (int)count : throw new ModelFolderException($"{Source}: a classification head has from 1 to {MostLabels} classes, but num_labels or id2label gives {count}.");
        }
    }

    private const int MostLabels = 1_000_000;

    /// <summary>Names of the classes of a classification head in their order: <c>id2label</c>, or <c>LABEL_0</c> and so on.</summary>
    public IReadOnlyList<string> Labels
        => [.. Enumerable.Range(0, LabelCount).Select(id => Object("id2label")?[id.ToString(CultureInfo.InvariantCulture)]?.ToString() ?? $"LABEL_{id}")];

    /// <summary>Standard deviation of a fresh weight.</summary>
    public double InitializerRange => Number("initializer_range", Number("init_std", 0.02));

    /// <summary>Id of the padding token, or null.</summary>
    public int? PadTokenId => Id("pad_token_id");

    /// <summary>A copy with a field set, for instance <c>num_labels</c>.</summary>
    public ModelConfig With(string name, JsonNode? value)
    {
        var copy = new ModelConfig(fields, Source);
        copy.fields[name] = value is null ? null : JsonNode.Parse(value.ToJsonString());   // read like a file's, whatever it was made from
        return copy;
    }

    /// <summary>The configuration with a field that the file does not name; null in the file is a value.</summary>
    internal ModelConfig Default(string name, JsonNode value) => Names(name) ? this : With(name, value);

    /// <summary>A copy without a field.</summary>
    internal ModelConfig Without(string name)
    {
        var copy = new ModelConfig(fields, Source);
        copy.fields.Remove(name);
        return copy;
    }

    /// <summary>A copy with the labels that options name, as Hugging Face writes them.</summary>
    internal ModelConfig WithLabels(LoadOptions options)
    {
        if (!options.NamesLabels) return this;
        if (options is { LabelCount: { } count, Id2Label: { } given } && given.Count != count)
            throw new ArgumentException($"LabelCount is {count}, but Id2Label has {given.Count} names: leave one out.", nameof(options));
        if (options.LabelCount > MostLabels || options.Id2Label?.Count > MostLabels) throw new ArgumentException($"A classification head has at most {MostLabels} classes, but {options.LabelCount ?? options.Id2Label!.Count} are asked for.", nameof(options));
        if (options.Id2Label?.Contains(null!) == true) throw new ArgumentException("Id2Label has a class without a name.", nameof(options));
        if (options.LabelCount < 1 || options.Id2Label is { Count: 0 }) throw new ArgumentException("A classification head needs at least one class.", nameof(options));
        var labels = options.Id2Label ?? [.. Enumerable.Range(0, options.LabelCount!.Value).Select(id => $"LABEL_{id}")];
        if (labels.Distinct(StringComparer.Ordinal).Count() < labels.Count)
            throw new ArgumentException($"Id2Label names a class twice: {string.Join(", ", labels)}.", nameof(options));
        var (names, ids) = (new JsonObject(), new JsonObject());
        for (var id = 0; id < labels.Count; id++)
        {
            names[id.ToString(CultureInfo.InvariantCulture)] = labels[id];
            ids[labels[id]] = id;
        }
        var copy = With("id2label", names).With("label2id", ids);
        copy.fields.Remove("num_labels");
        return copy;
    }

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return fields[name] is not null;
    }

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
    public int Size(string name, int fallback) => Has(name) ? Size(name) : fallback;

    internal long? Integer(string name, long? fallback)
    {
        if (fields[name] is not { } node) return fallback;
        if (node is not JsonValue value) throw Wrong(name, "a number");
        if (value.TryGetValue<long>(out var whole)) return whole;
        // "1e3" and "5.0" are whole, too; beyond 2⁵³ not every number is a double.
        var number = Value<double>(name, 0, "a number");
        return number == Math.Floor(number) && Math.Abs(number) <= 1L << 53 ? (long)number : throw Wrong(name, "a whole number");
    }

    /// <summary>A whole number that fits 32 bits, such as a token id; null where the file gives none.</summary>
    /// <exception cref="ModelFolderException">It is no such number.</exception>
    internal int? Id(string name) => Integer(name, null) switch
    {
        null => null,
        >= int.MinValue and <= int.MaxValue and var value => (int)value,
        _ => throw Wrong(name, $"a whole number of at most {int.MaxValue}"),
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
        JsonArray values when values.All(value => value is JsonValue each && each.TryGetValue<int>(out _)) => [.. values.Select(value => value!.GetValue<int>())],
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

    private T Value<T>(string name, T fallback, string kind)
    {
        if (fields[name] is not { } node) return fallback;
        return node is JsonValue value && value.TryGetValue<T>(out var result) ? result : throw Wrong(name, kind);
    }

    private ModelFolderException Missing(string name) => new($"{Source} has no field {name}, which the model needs.");

    private ModelFolderException Wrong(string name, string kind)
        => new(string.Create(CultureInfo.InvariantCulture, $"{Source}: {name} must be {kind}, but is {fields[name]?.ToJsonString()}."));
}
