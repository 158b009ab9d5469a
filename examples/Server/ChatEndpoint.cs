using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Peft.Hosting;

namespace Peft.Server;

/// <summary><c>/v1/chat/completions</c></summary>
internal static class ChatEndpoint
{
    public static async Task<IResult> AnswerAsync(ChatRequest request, ServedModel served, IChatClient client, ILogger<ChatRequest> logger, CancellationToken cancellation)
    {
        var options = request.Options();
        options.ModelId = served.Resolve(request.Model);
        var head = new Head($"chatcmpl-{Guid.NewGuid():N}", TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(), request.Model ?? served.DefaultAdapter ?? served.Name);
        var messages = request.Chat().ToList();
        if (request.Stream) return await EventStream.OfAsync(Chunks(client.GetStreamingResponseAsync(messages, options, cancellation), head, request.StreamOptions?.IncludeUsage == true, cancellation), logger, cancellation);
        var answer = await client.GetResponseAsync(messages, options, cancellation);
        var calls = answer.Messages.SelectMany(each => each.Contents).OfType<FunctionCallContent>().Select(each => ToolCall.Of(each)).ToList();
        return Results.Ok(new
        {
            head.Id, Object = "chat.completion", head.Created, head.Model,
            Choices = new[] { new { Index = 0, Message = new { Role = "assistant", Content = answer.Text, ToolCalls = calls.Count > 0 ? calls : null }, FinishReason = answer.FinishReason?.Value } },
            Usage = Usage.Of(answer.Usage),
        });
    }

    private static async IAsyncEnumerable<object> Chunks(IAsyncEnumerable<ChatResponseUpdate> updates, Head head, bool withUsage, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var role = "assistant";
        var called = 0;
        UsageDetails? usage = null;
        await foreach (var update in updates.WithCancellation(cancellation))
        {
            usage ??= update.Contents.OfType<UsageContent>().FirstOrDefault()?.Details;
            var calls = update.Contents.OfType<FunctionCallContent>().Select(each => ToolCall.Of(each, called++)).ToList();
            if (update.Text.Length == 0 && calls.Count == 0 && update.FinishReason is null && role is null) continue;
            yield return Chunk(new { Role = role, Content = update.Text, ToolCalls = calls.Count > 0 ? calls : null }, update.FinishReason?.Value);
            role = null;
        }
        if (withUsage) yield return new { head.Id, Object = "chat.completion.chunk", head.Created, head.Model, Choices = Array.Empty<object>(), Usage = Usage.Of(usage) };

        object Chunk(object delta, string? finish) => new { head.Id, Object = "chat.completion.chunk", head.Created, head.Model, Choices = new[] { new { Index = 0, Delta = delta, FinishReason = finish } } };
    }
}
