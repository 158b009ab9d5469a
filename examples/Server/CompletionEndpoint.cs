using System.Runtime.CompilerServices;
using System.Text;
using Peft.Hosting;

namespace Peft.Server;

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
