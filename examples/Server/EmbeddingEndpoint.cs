using System.Runtime.InteropServices;
using Microsoft.Extensions.AI;
using Peft.Hosting;

namespace Peft.Server;

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
