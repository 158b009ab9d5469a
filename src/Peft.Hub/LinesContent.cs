using System.Net;

namespace Peft.Hub;

/// <summary>Lines of JSON, written while they are sent.</summary>
internal sealed class LinesContent : HttpContent
{
    private readonly Func<Stream, Task> write;

    public LinesContent(Func<Stream, Task> write)
    {
        this.write = write;
        Headers.ContentType = new("application/x-ndjson");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => write(stream);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
