using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Peft.Server;

/// <summary>Answers with server-sent events in OpenAI's form.</summary>
internal static class EventStream
{
    /// <summary>Waits for the first chunk, so that an error before it has its own status.</summary>
    public static async Task<IResult> OfAsync(IAsyncEnumerable<object> chunks, ILogger logger, CancellationToken cancellation)
    {
        var each = chunks.GetAsyncEnumerator(cancellation);
        try
        {
            var any = await each.MoveNextAsync();
            return TypedResults.ServerSentEvents(Events(each, any, logger));
        }
        catch
        {
            await each.DisposeAsync();
            throw;
        }
    }

    private static async IAsyncEnumerable<SseItem<string>> Events(IAsyncEnumerator<object> chunks, bool any, ILogger logger)
    {
        await using var end = chunks;
        while (any)
        {
            yield return Item(chunks.Current);
            ApiError? failure = null;
            try
            {
                any = await chunks.MoveNextAsync();
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                logger.Failed(error, "A stream");
                failure = ApiError.Of(error);
            }
            if (failure is null) continue;
            yield return Item(failure.Body);
            yield break;
        }
        yield return new("[DONE]");
    }

    private static SseItem<string> Item(object chunk) => new(JsonSerializer.Serialize(chunk, ServerApp.Wire));
}
