using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>A text, or the messages of a conversation.</summary>
internal sealed class Passage
{
    // ShareGPT's names of the roles.
    private static readonly Dictionary<string, string> Roles = new(StringComparer.Ordinal) { ["human"] = "user", ["gpt"] = "assistant" };

    private readonly IReadOnlyList<JsonObject>? messages;

    /// <summary>A text.</summary>
    public Passage(string text) => Text = text;

    /// <summary>A conversation.</summary>
    public Passage(IReadOnlyList<JsonObject> messages) => this.messages = messages;

    /// <summary>The text; null for a conversation.</summary>
    public string? Text { get; }

    /// <summary>True for a conversation.</summary>
    public bool IsChat => messages is not null;

    /// <summary>The messages, each with <c>role</c> and usually <c>content</c>.</summary>
    public IReadOnlyList<JsonObject> Messages => messages ?? throw new InvalidOperationException("A text has no messages.");

    /// <summary>True without a character or a message.</summary>
    public bool IsEmpty => messages is null ? Text!.Length == 0 : messages.Count == 0;

    private string Kind => IsChat ? "a list of messages" : "text";

    /// <summary>Reads a field. <c>from</c> and <c>value</c> become <c>role</c> and <c>content</c>.</summary>
    /// <exception cref="DatasetException">It is neither text nor a list of messages.</exception>
    public static Passage Of(JsonNode value, string field, DataRow row) => value switch
    {
        JsonValue text when text.GetValueKind() == JsonValueKind.String => new(text.GetValue<string>()),
        JsonArray list => new([.. list.Select((message, i) => Message(message, field, i, row))]),
        _ => throw row.Wrong($"the field \"{field}\" must be text or a list of messages, but is {DataRow.Shown(value)}"),
    };

    /// <summary>This passage, followed by another.</summary>
    /// <param name="next">The other.</param>
    /// <param name="row">The row, for errors.</param>
    /// <exception cref="DatasetException">One is text and the other a conversation.</exception>
    public Passage Then(Passage next, DataRow row)
        => IsChat != next.IsChat ? throw row.Wrong($"the prompt is {Kind}, but what follows is {next.Kind}: both must be of the same kind")
            : IsChat ? new([.. Messages, .. next.Messages]) : new(Text + next.Text);

    /// <summary>What follows a beginning; null if this passage does not begin with it.</summary>
    public Passage? Without(Passage beginning)
    {
        if (!IsChat) return Text!.StartsWith(beginning.Text!, StringComparison.Ordinal) ? new(Text[beginning.Text!.Length..]) : null;
        var count = beginning.Messages.Count;
        return Messages.Count >= count && new Passage([.. Messages.Take(count)]).Equals(beginning) ? new([.. Messages.Skip(count)]) : null;
    }

    /// <summary>True if both have the same text or messages.</summary>
    public bool Equals(Passage other) => IsChat == other.IsChat
        && (IsChat ? Messages.Count == other.Messages.Count && Messages.Zip(other.Messages).All(pair => JsonNode.DeepEquals(pair.First, pair.Second)) : Text == other.Text);

    /// <summary>The messages as a chat template takes them.</summary>
    public JsonArray ToJson() => [.. Messages.Select(message => message.DeepClone())];

    private static JsonObject Message(JsonNode? node, string field, int index, DataRow row)
    {
        if (node is not JsonObject given) throw row.Wrong($"message {index} of \"{field}\" must be an object with role and content, but is {(node is null ? "null" : DataRow.Shown(node))}");
        var message = new JsonObject();
        foreach (var (name, value) in given)
        {
            if (name == "from" && !given.ContainsKey("role")) message["role"] = value is JsonValue role && role.TryGetValue<string>(out var text) && Roles.TryGetValue(text, out var usual) ? usual : value?.DeepClone();
            else if (name == "value" && !given.ContainsKey("content")) message["content"] = value?.DeepClone();
            else message[name] = value?.DeepClone();
        }
        return message["role"] is JsonValue named && named.GetValueKind() == JsonValueKind.String ? message
            : throw row.Wrong($"message {index} of \"{field}\" has no role: each message needs one, such as \"user\" or \"assistant\"");
    }
}
