using System.Net;

namespace Peft.Models;

/// <summary>A response, and what the hub said about the file on the way to it: a redirect to the storage carries that, the storage's own headers do not.</summary>
internal sealed class HubAnswer(HttpResponseMessage response, FileFacts facts) : IDisposable
{
    public HttpStatusCode Status => response.StatusCode;

    public HttpContent Content => response.Content;

    public FileFacts Facts => facts;

    public void Dispose() => response.Dispose();
}

/// <summary>What the hub says about a file.</summary>
/// <param name="Etag">Its hash: SHA-256 of a large file, git's hash of a small one.</param>
/// <param name="Commit">The commit that the revision is.</param>
/// <param name="Size">Its size in bytes.</param>
internal sealed record FileFacts(string? Etag, string? Commit, long? Size)
{
    public static FileFacts None { get; } = new(null, null, null);

    /// <summary>Adds what a response says that was not said before.</summary>
    public FileFacts With(HttpResponseMessage response, bool isLast)
    {
        string? Header(string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : null;
        return new(
            Etag ?? HubNames.Etag(Header("X-Linked-Etag") ?? (isLast ? Header("ETag") : null)),
            Commit ?? Header("X-Repo-Commit"),
            Size ?? (long.TryParse(Header("X-Linked-Size"), out var size) ? size : isLast && response.RequestMessage?.Method == HttpMethod.Head ? response.Content.Headers.ContentLength : null));
    }
}
