namespace Peft.Hub.Tests;

/// <summary>A fake hub, an empty cache, and a clock on which waiting takes no time.</summary>
public abstract class HubFixture : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-hub-").FullName;

    protected FakeHub Hub { get; } = new();

    protected ImmediateClock Clock { get; } = new();

    protected string Cache => Path.Combine(folder, "cache");

    protected string Repository => Path.Combine(Cache, "models--org--tiny");

    protected string Snapshot => Path.Combine(Repository, "snapshots", FakeHub.Commit);

    protected HubOptions Options => new()
    {
        Endpoint = Hub.Address,
        Token = "secret",
        CacheFolder = Cache,
        Offline = false,
        Handler = new FakeHandler(Hub, Clock.FallSilent),
        TimeProvider = Clock,
        Timeout = ImmediateClock.Silence,
    };

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected Task<string> DownloadAsync(HubOptions? options = null) => WithAsync(hub => hub.DownloadModelAsync("org/tiny"), options);

    protected async Task<string> WithAsync(Func<HubClient, Task<string>> what, HubOptions? options = null)
    {
        using var client = new HubClient(options ?? Options);
        return await what(client);
    }

    protected async Task<HubException> FailAsync(Func<HubClient, Task<string>>? what = null, HubOptions? options = null)
        => await Should.ThrowAsync<HubException>(() => WithAsync(what ?? (hub => hub.DownloadModelAsync("org/tiny")), options));

    /// <summary>Whether the request is for the bytes of the large file.</summary>
    protected static bool IsStorage(FakeRequest request) => request.Address.AbsolutePath.StartsWith("/storage/", StringComparison.Ordinal);

    protected static bool IsListing(FakeRequest request) => request.Address.AbsolutePath.StartsWith("/api/", StringComparison.Ordinal);

    /// <summary>All files of the cache: a link with its target, a file with its hash.</summary>
    protected IEnumerable<string> Layout() => Directory.EnumerateFiles(Cache, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
        .Select(path => (Name: Path.GetRelativePath(Cache, path).Replace('\\', '/'), Link: new FileInfo(path).LinkTarget, Path: path))
        .Select(file => file switch
        {
            { Link: { } link } => $"{file.Name} -> {link}",
            { Name: "CACHEDIR.TAG" } => file.Name,
            _ => $"{file.Name} {FakeHub.Sha256(File.ReadAllBytes(file.Path))}",
        })
        .Order(StringComparer.Ordinal);

    // Comparing a million bytes one by one takes longer than the download.
    protected static void ShouldHold(string path, byte[] bytes) => File.ReadAllBytes(path).AsSpan().SequenceEqual(bytes).ShouldBeTrue(path);

    protected void ShouldBeWhole()
    {
        foreach (var (name, bytes) in Hub.Small.Concat(Hub.Large)) ShouldHold(Path.Combine(Repository, "snapshots", Hub.Main, name), bytes);
        Directory.EnumerateFiles(Path.Combine(Repository, "blobs"), "*.incomplete").ShouldBeEmpty();
    }
}
