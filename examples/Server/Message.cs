using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>A message of a conversation; its content is a text or a list of parts.</summary>
internal sealed record Message(string? Role, JsonElement? Content, string? Name, IReadOnlyList<ToolCall>? ToolCalls, string? ToolCallId)
{
    public ChatMessage Chat()
    {
        var role = new ChatRole(Role ?? throw new ArgumentException("A message has no role."));
        if (role == ChatRole.Tool) return new(role, [new FunctionResultContent(ToolCallId ?? throw new ArgumentException("A message of a tool has no tool_call_id."), Text())]);
        var message = new ChatMessage(role, Text()) { AuthorName = Name };
        foreach (var call in ToolCalls ?? []) message.Contents.Add(call.Content());
        return message;
    }

    private string Text() => Content switch
    {
        null or { ValueKind: JsonValueKind.Null } => "",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select(Part)),
        _ => throw new ArgumentException("content is a text or a list of parts."),
    };

    private static string Part(JsonElement part)
        => part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() == "text" && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()! : throw new ArgumentException("This model reads text only: send parts of the type 'text'.");
}
