using System.Net;

namespace Peft.Hub;

/// <summary>A response with the hub's metadata of the file. A redirect to the storage carries these in headers, the storage's response does not.</summary>
internal sealed class HubAnswer(HttpResponseMessage response, FileFacts facts) : IDisposable
{
    public HttpStatusCode Status => response.StatusCode;

    public HttpContent Content => response.Content;

    public FileFacts Facts => facts;

    public void Dispose() => response.Dispose();
}

/// <summary>The hub's metadata of a file.</summary>
/// <param name="Etag">The hash: SHA-256 of a large file, git's hash of a small one.</param>
/// <param name="Commit">The commit of the revision.</param>
/// <param name="Size">The size in bytes.</param>
internal sealed record FileFacts(string? Etag, string? Commit, long? Size)
{
    public static FileFacts None { get; } = new(null, null, null);

    /// <summary>Adds metadata from a response that are not known yet.</summary>
    public FileFacts With(HttpResponseMessage response, bool isLast)
    {
        string? Header(string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : null;
        return new(
            Etag ?? HubNames.Etag(Header("X-Linked-Etag") ?? (isLast ? Header("ETag") : null)),
            Commit ?? Header("X-Repo-Commit"),
            Size ?? (long.TryParse(Header("X-Linked-Size"), out var size) ? size : isLast && response.RequestMessage?.Method == HttpMethod.Head ? response.Content.Headers.ContentLength : null));
    }
}
