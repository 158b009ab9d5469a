using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Peft.Hub.Tests;

/// <summary>A <see cref="FakeHub"/> behind a socket: connections are really cut. The hub is 127.0.0.1, its storage is localhost: another host.</summary>
public sealed class FakeServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly FakeHub hub;
    private readonly Task serving;

    public FakeServer(FakeHub hub)
    {
        this.hub = hub;
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        (hub.Address, hub.Storage) = ($"http://127.0.0.1:{port}", $"http://localhost:{port}");
        serving = ServeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Stop();
        await serving;
        stop.Dispose();
        listener.Dispose();
    }

    private async Task ServeAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true) connections.Add(TalkAsync(await listener.AcceptTcpClientAsync(stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    // One request a connection.
    private async Task TalkAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            await using var stream = client.GetStream();
            using var reader = new StreamReader(stream, System.Text.Encoding.ASCII, leaveOpen: true);
            var first = (await reader.ReadLineAsync(stop.Token))?.Split(' ');
            if (first is null) return;
            var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            while (await reader.ReadLineAsync(stop.Token) is { Length: > 0 } line) headers[line[..line.IndexOf(':')]] = line[(line.IndexOf(':') + 1)..].Trim();
            long? from = headers.TryGetValue("Range", out var range) ? long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : null;
            var reply = hub.Answer(new(first[0], new($"http://{headers["Host"]}{first[1]}"), headers.GetValueOrDefault("Authorization"), from));
            var head = $"HTTP/1.1 {reply.Status} Said\r\nContent-Length: {reply.Body.Length}\r\nConnection: close\r\n{string.Concat(reply.Headers.Select(each => $"{each.Key}: {each.Value}\r\n"))}\r\n";
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(head), stop.Token);
            if (first[0] != "HEAD") await stream.WriteAsync(reply.Body.AsMemory(0, reply.CutAfter ?? reply.Body.Length), stop.Token);
        }
        catch (Exception error) when (error is OperationCanceledException or IOException)
        {
        }
    }
}
