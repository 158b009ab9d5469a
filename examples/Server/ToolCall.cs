using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Server;

/// <summary>A call of a function, in a message of the assistant; <paramref name="Index"/> counts the calls of a stream.</summary>
internal sealed record ToolCall(string? Id, string? Type, CalledFunction? Function, int? Index = null)
{
    public static ToolCall Of(FunctionCallContent call, int? index = null) => new(call.CallId, "function", new(call.Name, JsonSerializer.Serialize(call.Arguments)), index);

    /// <summary>The call as the chat template renders it.</summary>
    public FunctionCallContent Content()
    {
        if (Id is not { Length: > 0 } id || Function is not { Name.Length: > 0 } function) throw new ArgumentException("A tool call is {\"id\": …, \"type\": \"function\", \"function\": {\"name\": …, \"arguments\": …}}.");
        try
        {
            return new(id, function.Name, string.IsNullOrWhiteSpace(function.Arguments) ? null : JsonSerializer.Deserialize<Dictionary<string, object?>>(function.Arguments));
        }
        catch (JsonException)
        {
            throw new ArgumentException($"The arguments of the tool call '{id}' are not the text of a JSON object.");
        }
    }
}
