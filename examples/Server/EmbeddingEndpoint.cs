using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Peft.Hosting;

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

/// <summary><c>/v1/embeddings</c></summary>
internal static class EmbeddingEndpoint
{
    public static async Task<IResult> AnswerAsync(EmbeddingRequest request, ServedModel served, IEmbeddingGenerator<string, Embedding<float>> generator, CancellationToken cancellation)
    {
        var found = await generator.GenerateAsync(request.Texts(), new() { ModelId = served.Resolve(request.Model) }, cancellation);
        return Results.Ok(new
        {
            Object = "list", Model = request.Model ?? served.DefaultAdapter ?? served.Name,
            Data = found.Select((each, i) => new { Object = "embedding", Index = i, Embedding = request.EncodingFormat == "base64" ? Base64(each.Vector) : (object)each.Vector.ToArray() }),
            Usage = new { PromptTokens = found.Usage?.InputTokenCount ?? 0, TotalTokens = found.Usage?.TotalTokenCount ?? 0 },
        });
    }

    private static string Base64(ReadOnlyMemory<float> vector) => Convert.ToBase64String(MemoryMarshal.AsBytes(vector.Span));
}
