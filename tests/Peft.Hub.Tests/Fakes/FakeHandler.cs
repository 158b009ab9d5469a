using System.Net;

namespace Peft.Hub.Tests;

/// <summary>Reaches a <see cref="FakeHub"/> without a network.</summary>
public sealed class FakeHandler(FakeHub hub, Action? fallSilent = null) : HttpMessageHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var reply = hub.Answer(new(request.Method.Method, request.RequestUri!, request.Headers.Authorization?.ToString(), request.Headers.Range?.Ranges.Single().From));
        HttpContent content = request.Method == HttpMethod.Head ? new ByteArrayContent([])
            : reply.CutAfter is { } length ? new StreamContent(new CutStream(reply, length, fallSilent)) : new ByteArrayContent(reply.Body);
        content.Headers.ContentLength = reply.Body.Length;
        var response = new HttpResponseMessage((HttpStatusCode)reply.Status) { Content = content, RequestMessage = request };
        foreach (var (name, value) in reply.Headers)
        {
            if (!response.Headers.TryAddWithoutValidation(name, value)) content.Headers.TryAddWithoutValidation(name, value);
        }
        return Task.FromResult(response);
    }

    private sealed class CutStream(FakeReply reply, int length, Action? fallSilent) : MemoryStream(reply.Body, 0, length)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken stop = default)
        {
            if (Position < Length) return await base.ReadAsync(buffer, stop);
            if (!reply.FallsSilent) throw new IOException("Connection reset.");
            fallSilent?.Invoke();
            await Task.Delay(Timeout.Infinite, stop);
            return 0;
        }
    }
}
