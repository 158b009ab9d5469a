using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Peft.Tokenizers;

/// <summary>Parses tool calls in JSON.</summary>
internal static class ToolCallJson
{
    /// <summary>Parses the calls in a string; null if it is malformed.</summary>
    /// <param name="text">A single object, or a list of objects.</param>
    /// <param name="argumentNames">Possible names of the field with the arguments.</param>
    /// <param name="list">True if the string must be a list.</param>
    public static IReadOnlyList<FunctionCallContent>? Read(string text, IReadOnlyList<string> argumentNames, bool list)
    {
        if (StrictJson.Try(text) is not { } json) return null;
        using (json)
        {
            var root = json.RootElement;
            if (list != (root.ValueKind == JsonValueKind.Array)) return null;
            var calls = (list ? root.EnumerateArray() : Enumerable.Repeat(root, 1)).Select(each => Call(each, argumentNames)).ToList();
            return calls.Count == 0 || calls.Contains(null) ? null : [.. calls.OfType<FunctionCallContent>()];
        }
    }

    private static FunctionCallContent? Call(JsonElement call, IReadOnlyList<string> argumentNames)
    {
        if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String || name.GetString() is not { Length: > 0 } function) return null;
        JsonElement arguments = default;
        if (!argumentNames.Any(field => call.TryGetProperty(field, out arguments)) || arguments.ValueKind != JsonValueKind.Object) return null;
        // Mistral's templates require ids of nine letters and digits.
        var id = call.TryGetProperty("id", out var given) && given.ValueKind == JsonValueKind.String && given.GetString() is { Length: > 0 } own ? own : Guid.NewGuid().ToString("N")[..9];
        return new(id, function, arguments.EnumerateObject().ToDictionary(each => each.Name, each => (object?)each.Value.Clone()));
    }
}
