using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>A row of a dataset in JSON.</summary>
/// <param name="Fields">Its fields.</param>
/// <param name="Place">Its position, for error messages.</param>
internal sealed record DataRow(JsonObject Fields, string Place)
{
    /// <summary>Functions that the row offers to the model; null if none.</summary>
    public JsonArray? Tools => Fields["tools"] switch
    {
        null => null,
        JsonArray list => list,
        JsonValue text when text.GetValueKind() == JsonValueKind.String && Parsed(text.GetValue<string>()) is { } list => list,
        _ => throw Wrong("the field \"tools\" must be a list of functions in JSON, or the text of one"),
    };

    /// <summary>Variables of the chat template.</summary>
    public JsonObject? TemplateVariables => Fields["chat_template_kwargs"] switch
    {
        null => null,
        JsonObject variables => variables,
        _ => throw Wrong("the field \"chat_template_kwargs\" must be an object with variables of the chat template"),
    };

    /// <summary>The rows of a dataset, read as they are enumerated.</summary>
    public static IEnumerable<DataRow> From(Dataset data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return data.Select(row => new DataRow(row.Fields, row.Place));
    }

    /// <summary>True if a field is there and not null.</summary>
    public bool Has(string field) => Fields[field] is not null;

    /// <summary>A text or a conversation.</summary>
    /// <exception cref="DatasetException">The field is missing, or is neither.</exception>
    public Passage Passage(string field) => Peft.Passage.Of(Required(field), field, this);

    /// <summary>A text.</summary>
    /// <exception cref="DatasetException">The field is missing, or is something else.</exception>
    public string Text(string field)
        => Required(field) is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Wrong($"the field \"{field}\" must be a text, but is {Shown(Fields[field]!)}");

    /// <summary>A list of texts.</summary>
    /// <exception cref="DatasetException">The field is missing, or is something else.</exception>
    public IReadOnlyList<string> Texts(string field)
        => Required(field) is JsonArray list && list.All(each => each is JsonValue value && value.GetValueKind() == JsonValueKind.String)
            ? [.. list.Select(each => each!.GetValue<string>())] : throw Wrong($"the field \"{field}\" must be a list of texts, but is {Shown(Fields[field]!)}");

    /// <summary>A list of true and false.</summary>
    /// <exception cref="DatasetException">The field is missing, or is something else.</exception>
    public IReadOnlyList<bool> Flags(string field)
        => Required(field) is JsonArray list && list.All(each => each is JsonValue value && value.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
            ? [.. list.Select(each => each!.GetValueKind() == JsonValueKind.True)] : throw Wrong($"the field \"{field}\" must be a list of true and false, but is {Shown(Fields[field]!)}");

    /// <summary>True or false.</summary>
    /// <exception cref="DatasetException">The field is missing, or is something else.</exception>
    public bool Flag(string field)
        => Required(field) is JsonValue value && value.GetValueKind() is JsonValueKind.True or JsonValueKind.False && value.TryGetValue<bool>(out var flag)
            ? flag : throw Wrong($"the field \"{field}\" must be true or false, but is {Shown(Fields[field]!)}");

    /// <summary>A finite number.</summary>
    /// <exception cref="DatasetException">The field is missing, or is something else.</exception>
    public double Number(string field)
    {
        var value = Required(field);
        return value.GetValueKind() == JsonValueKind.Number && value.Deserialize<double>() is var number && double.IsFinite(number)
            ? number : throw Wrong($"the field \"{field}\" must be a number, but is {Shown(value)}");
    }

    /// <summary>The exception for something wrong with this row.</summary>
    public DatasetException Wrong(string message, Exception? inner = null) => new($"{Place}: {message}{(message.EndsWith('.') ? "" : ".")}", inner);

    /// <summary>A value as an error message shows it.</summary>
    public static string Shown(JsonNode value)
    {
        var text = value.ToJsonString();
        return text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 57), "...");
    }

    private JsonNode Required(string field)
        => Fields[field] ?? throw Wrong($"there is no field \"{field}\". Fields found: {(Fields.Count == 0 ? "none" : string.Join(", ", Fields.Select(each => each.Key)))}. {Hint}".TrimEnd());

    // What dataset the row is made for.
    private string Hint
        => Has("chosen") && Has("rejected") ? $"These are preferences, for {nameof(PreferenceDataset)} or {nameof(RewardDataset)}; {nameof(UnpairedDataset)} takes them too."
            : Has("completions") && Has("labels") ? $"This is a solution in steps, for {nameof(StepwiseDataset)}."
            : Has("completion") && Has("label") ? $"This is an unpaired row, for {nameof(UnpairedDataset)}."
            : Has("messages") || Has("conversations") || Has("text") || Has("completion") ? $"This is a row for {nameof(SftDataset)}."
            : Has("prompt") ? $"This is a prompt, for {nameof(PromptDataset)}."
            : "";

    private static JsonArray? Parsed(string text)
    {
        using var document = StrictJson.Try(text);
        return document?.RootElement.ValueKind == JsonValueKind.Array ? JsonNode.Parse(text) as JsonArray : null;
    }
}
