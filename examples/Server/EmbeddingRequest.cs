using System.Text.Json;

namespace Peft.Server;

/// <summary>The body of <c>/v1/embeddings</c>.</summary>
internal sealed record EmbeddingRequest(string? Model, JsonElement? Input, string? EncodingFormat)
{
    public IReadOnlyList<string> Texts() => Input switch
    {
        { ValueKind: JsonValueKind.String } text => [text.GetString()!],
        { ValueKind: JsonValueKind.Array } texts when texts.EnumerateArray().All(each => each.ValueKind == JsonValueKind.String) && texts.GetArrayLength() > 0 => [.. texts.EnumerateArray().Select(each => each.GetString()!)],
        _ => throw new ArgumentException("input is a text or a list of texts."),
    };
}
