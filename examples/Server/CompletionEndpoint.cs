using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Peft.Hosting;

namespace Peft.Server;

/// <summary>The body of <c>/v1/completions</c>.</summary>
internal sealed record CompletionRequest : SamplingRequest
{
    public JsonElement? Prompt { get; init; }

    public string Text() => Prompt switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() == 1 && list[0].ValueKind == JsonValueKind.String => list[0].GetString()!,
        _ => throw new ArgumentException("prompt is one text: send a request for each."),
    };

    public Models.GenerationOptions Generation(Models.GenerationOptions defaults)
    {
        var options = Options();
        if (FrequencyPenalty is not (null or 0) || PresencePenalty is not (null or 0)) throw new NotSupportedException("frequency_penalty and presence_penalty are not implemented.");
        return defaults with
        {
            MaxNewTokens = options.MaxOutputTokens ?? defaults.MaxNewTokens,
            // A temperature of 0 means greedy search; the other options imply sampling.
            DoSample = Temperature is { } temperature ? temperature != 0 : TopP is not null || TopK is not null ? true : defaults.DoSample,
            Temperature = Temperature is null or 0 ? defaults.Temperature : (double)Temperature.Value,
            TopP = TopP ?? defaults.TopP, TopK = TopK ?? defaults.TopK, Seed = Seed ?? defaults.Seed,
            StopStrings = options.StopSequences is { Count: > 0 } stops ? [.. stops] : defaults.StopStrings,
        };
    }
}

/// <summary><c>/v1/completions</c></summary>
internal static class CompletionEndpoint
{
    public static async Task<IResult> AnswerAsync(CompletionRequest request, ServedModel served, TextCompleter completer, ILogger<CompletionRequest> logger, CancellationToken cancellation)
    {
        var head = new Head($"cmpl-{Guid.NewGuid():N}", TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(), request.Model ?? served.DefaultAdapter ?? served.Name);
        var parts = completer.CompleteAsync(request.Text(), request.Generation(served.Generation), request.Model, cancellation);
        if (request.Stream) return await EventStream.OfAsync(Chunks(parts, head, request.StreamOptions?.IncludeUsage == true, cancellation), logger, cancellation);
        var text = new StringBuilder();
        TextCompletion? last = null;
        await foreach (var part in parts.WithCancellation(cancellation)) text.Append((last = part).Text);
        return Results.Ok(Answer(head, text.ToString(), last!.FinishReason, Of(last)));
    }

    private static async IAsyncEnumerable<object> Chunks(IAsyncEnumerable<TextCompletion> parts, Head head, bool withUsage, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var part in parts.WithCancellation(cancellation))
            yield return Answer(head, part.Text, part.FinishReason, withUsage && part.FinishReason is not null ? Of(part) : null);
    }

    private static object Answer(Head head, string text, string? finish, Usage? usage) => new
    {
        head.Id, Object = "text_completion", head.Created, head.Model, Choices = new[] { new { Index = 0, Text = text, FinishReason = finish } }, Usage = usage,
    };

    private static Usage Of(TextCompletion last) => new(last.PromptTokens, last.NewTokens, last.PromptTokens + last.NewTokens);
}
