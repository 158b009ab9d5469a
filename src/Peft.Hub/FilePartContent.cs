using System.Net;

namespace Peft.Hub;

/// <summary>A range of a file, as the content of a request.</summary>
internal sealed class FilePartContent : HttpContent
{
    private readonly string path;
    private readonly long from, length;

    public FilePartContent(string path, long from, long length)
    {
        (this.path, this.from, this.length) = (path, from, length);
        Headers.ContentLength = length;
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        var file = File.OpenRead(path);
        await using var _ = file.ConfigureAwait(false);
        file.Position = from;
        var buffer = new byte[1 << 16];
        for (var left = length; left > 0;)
        {
            var count = await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length))).ConfigureAwait(false);
            if (count == 0) throw new IOException($"{path} became shorter while it was uploaded.");
            await stream.WriteAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            left -= count;
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = this.length;
        return true;
    }
}
