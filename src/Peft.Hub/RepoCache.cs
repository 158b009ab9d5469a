using Peft.Checkpoints;

namespace Peft.Hub;

/// <summary>
/// The cache of a repository, in the layout of Hugging Face's client: <c>blobs/{etag}</c>; <c>snapshots/{commit}/{file}</c>, relative links to
/// the blobs; <c>refs/{revision}</c>, which contain a commit; and <c>trees/{commit}.json</c>, the list of all files.
/// </summary>
internal sealed class RepoCache(HubSettings settings, RepoKind kind, string repository)
{
    private readonly string name = (kind == RepoKind.Model ? "models--" : "datasets--") + repository.Replace("/", "--", StringComparison.Ordinal);

    public RepoKind Kind => kind;

    public string Repository => repository;

    private string Folder => Path.Combine(settings.CacheFolder, name);

    public string Blobs => Path.Combine(Folder, "blobs");

    public string Snapshot(string commit) => Path.Combine(Folder, "snapshots", commit);

    public string Blob(string etag) => Path.Combine(Blobs, etag);

    public string Incomplete(string etag) => Blob(etag) + ".incomplete";

    public string Lock(string etag) => Path.Combine(settings.CacheFolder, ".locks", name, etag + ".lock");

    public string FileAt(string commit, string file) => Path.Combine([Snapshot(commit), .. file.Split('/')]);

    public bool Has(string commit, string file) => IsThere(FileAt(commit, file));

    /// <summary>Reads the commit that a revision had when it was last downloaded; null if it never was.</summary>
    public string? CommitOf(string revision)
    {
        if (HubNames.IsCommit(revision)) return revision;
        return ReadKept(RefOf(revision), 1024) is { } content && StrictJson.Text(content).Trim() is var commit && HubNames.IsCommit(commit) ? commit : null;
    }

    /// <summary>Stores the current commit of a revision.</summary>
    public void KeepCommit(string revision, string commit)
    {
        if (CommitOf(revision) != commit) Keep(RefOf(revision), commit);
    }

    /// <summary>Reads the stored list of a commit's files; null if there is none.</summary>
    public RepoListing? ListingOf(string commit)
    {
        return ReadKept(TreeOf(commit), settings.Limits.MaxListingBytes) is { } content ? RepoListing.ParseKept(commit, content) : null;
    }

    /// <summary>Stores the list of a commit's files, so that an incomplete snapshot can be detected.</summary>
    public void KeepListing(RepoListing listing)
    {
        if (ListingOf(listing.Commit) is null && listing.Keep() is { } text) Keep(TreeOf(listing.Commit), text);
    }

    /// <summary>Marks the folder as a cache, so that backups skip it (bford.info/cachedir).</summary>
    public void Mark()
    {
        var tag = Path.Combine(settings.CacheFolder, "CACHEDIR.TAG");
        if (!File.Exists(tag)) Keep(tag, "Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag created by Peft.\n# For information about cache directory tags see https://bford.info/cachedir/\n");
    }

    /// <summary>Adds a blob to a snapshot: as a relative link, or as the file itself if links are not supported.</summary>
    /// <param name="commit">The snapshot.</param>
    /// <param name="file">Name of the file in the snapshot.</param>
    /// <param name="etag">The blob.</param>
    /// <param name="isNew">True if no other snapshot can use the blob, so it may be moved.</param>
    public void Place(string commit, string file, string etag, bool isNew)
    {
        string path = FileAt(commit, file), blob = Blob(etag);
        var folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        File.Delete(path);   // a dangling link
        if (settings.Links && TryLink(path, Path.GetRelativePath(folder, blob))) return;
        if (isNew)
        {
            File.Move(blob, path, overwrite: true);
            return;
        }
        var copy = blob + $".{Guid.NewGuid():N}.incomplete";
        File.Copy(blob, copy);
        File.Move(copy, path, overwrite: true);
    }

    // File.Exists is true for a dangling link, too.
    private static bool IsThere(string path) => File.Exists(path) && File.ResolveLinkTarget(path, returnFinalTarget: true) is not { Exists: false };

    private static bool TryLink(string path, string target)
    {
        try
        {
            File.CreateSymbolicLink(path, target);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return IsThere(path);   // true if another process was faster; false if links are not supported
        }
    }

    private static byte[]? ReadKept(string path, long maxBytes)
        => SmallFile.Exists(path) ? SmallFile.Read(path, maxBytes, "Delete it: it will be downloaded again.", (message, error) => new HubException(HubError.CacheUnusable, $"The cache is damaged: {message}", error)) : null;

    // The files are already present. A cache that cannot be written can still be used.
    private static void Keep(string path, string text)
    {
        try
        {
            AtomicFile.WriteText(path, text);
        }
        catch (CheckpointException)
        {
        }
    }

    private string RefOf(string revision) => Path.Combine([Folder, "refs", .. revision.Split('/')]);

    private string TreeOf(string commit) => Path.Combine(Folder, "trees", commit + ".json");
}
