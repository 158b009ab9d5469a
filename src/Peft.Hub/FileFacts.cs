namespace Peft.Hub;

/// <summary>The hub's metadata of a file.</summary>
/// <param name="Etag">The hash: SHA-256 of a large file, git's hash of a small one.</param>
/// <param name="Commit">The commit of the revision.</param>
/// <param name="Size">The size in bytes.</param>
internal sealed record FileFacts(string? Etag, string? Commit, long? Size)
{
    public static FileFacts None { get; } = new(null, null, null);

    /// <summary>Adds the metadata of a response that is still missing.</summary>
    public FileFacts With(HttpResponseMessage response, bool isLast)
    {
        string? Header(string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : null;
        return new(
            Etag ?? HubNames.Etag(Header("X-Linked-Etag") ?? (isLast ? Header("ETag") : null)),
            Commit ?? Header("X-Repo-Commit"),
            Size ?? (long.TryParse(Header("X-Linked-Size"), out var size) ? size : isLast && response.RequestMessage?.Method == HttpMethod.Head ? response.Content.Headers.ContentLength : null));
    }
}
