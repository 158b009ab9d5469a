using Microsoft.Extensions.Logging;
using Peft.Hub;

namespace Peft;

/// <summary>
/// Downloads models and adapters from the Hugging Face hub, or a mirror of it, to the cache of Python's <c>huggingface_hub</c>. Both libraries share
/// the downloaded files. Interrupted downloads are resumed, files are verified by their hashes, and several processes may
/// download the same model concurrently. Thread-safe.
/// </summary>
/// <remarks>All members throw a <see cref="HubException"/> that says what to do if the download fails.</remarks>
public sealed partial class HubClient : IDisposable
{
    private readonly HubSettings settings;
    private readonly HubConnection connection;

    /// <summary>Creates a client.</summary>
    /// <param name="options">Endpoint, token, cache and more. Null values are taken from the environment.</param>
    /// <exception cref="HubException">An option or an environment variable is invalid.</exception>
    public HubClient(HubOptions? options = null) : this(HubSettings.From(options ?? new(), Environment.GetEnvironmentVariable)) { }

    internal HubClient(HubSettings settings)
    {
        this.settings = settings;
        connection = new(settings);
    }

    /// <summary>The cache folder.</summary>
    public string CacheFolder => settings.CacheFolder;

    /// <summary>Closes the connections.</summary>
    public void Dispose() => connection.Dispose();

    /// <summary>
    /// Downloads the missing files of a model: configuration, tokenizer, chat template and weights. The weights are downloaded in one format: safetensors,
    /// or pickled files if there are none.
    /// </summary>
    /// <param name="repoId">Id of the model, <c>owner/name</c>.</param>
    /// <param name="revision">Branch, tag or commit; null for <c>main</c>. A full commit hash never changes, so no request is sent once it is cached.</param>
    /// <param name="filter">Selects the files by their names in the repository; null for the default selection.</param>
    /// <param name="cancellationToken">Cancels the download. Partial downloads are kept and resumed.</param>
    /// <returns>The folder of the model. Do not write to its files, which are shared.</returns>
    public Task<string> DownloadModelAsync(string repoId, string? revision = null, Func<string, bool>? filter = null, CancellationToken cancellationToken = default)
        => DownloadAsync(RepoKind.Model, repoId, revision, filter is null ? ModelFiles.Model : names => [.. names.Where(filter)], cancellationToken);

    /// <inheritdoc cref="DownloadModelAsync"/>
    public string DownloadModel(string repoId, string? revision = null, Func<string, bool>? filter = null) => Wait(() => DownloadModelAsync(repoId, revision, filter));

    /// <summary>Downloads the missing files of a saved adapter.</summary>
    /// <param name="repoId">Id of the repository, <c>owner/name</c>.</param>
    /// <param name="revision">Branch, tag or commit; null for <c>main</c>.</param>
    /// <param name="subfolder">The adapter's folder in the repository, if it has several.</param>
    /// <param name="cancellationToken">Cancels the download. Partial downloads are kept and resumed.</param>
    /// <returns>The folder of the adapter, for <c>ApplyAdapter</c> and <c>PeftModel.LoadAdapter</c>.</returns>
    public async Task<string> DownloadAdapterAsync(string repoId, string? revision = null, string? subfolder = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(repoId);
        var inside = subfolder?.Trim('/') ?? "";
        if (inside.Length > 0) HubNames.RequireFile(repoId, inside);
        var snapshot = await DownloadAsync(RepoKind.Model, repoId, revision, ModelFiles.Adapter(inside.Length == 0 ? "" : inside + "/"), cancellationToken).ConfigureAwait(false);
        return Path.Combine([snapshot, .. inside.Split('/')]);
    }

    /// <inheritdoc cref="DownloadAdapterAsync"/>
    public string DownloadAdapter(string repoId, string? revision = null, string? subfolder = null) => Wait(() => DownloadAdapterAsync(repoId, revision, subfolder));

    /// <summary>Downloads the missing files of a dataset.</summary>
    /// <param name="repoId">Id of the dataset, <c>owner/name</c>.</param>
    /// <param name="revision">Branch, tag or commit; null for <c>main</c>.</param>
    /// <param name="filter">Selects the files by their names in the repository; null for all.</param>
    /// <param name="cancellationToken">Cancels the download. Partial downloads are kept and resumed.</param>
    /// <returns>The folder of the dataset. Do not write to its files, which are shared.</returns>
    public Task<string> DownloadDatasetAsync(string repoId, string? revision = null, Func<string, bool>? filter = null, CancellationToken cancellationToken = default)
        => DownloadAsync(RepoKind.Dataset, repoId, revision, names => [.. names.Where(filter ?? (_ => true))], cancellationToken);

    /// <inheritdoc cref="DownloadDatasetAsync"/>
    public string DownloadDataset(string repoId, string? revision = null, Func<string, bool>? filter = null) => Wait(() => DownloadDatasetAsync(repoId, revision, filter));

    /// <summary>Downloads a single file unless it is cached.</summary>
    /// <param name="repoId">Id of the repository, <c>owner/name</c>.</param>
    /// <param name="file">The file's name in the repository, with <c>/</c> between folders.</param>
    /// <param name="revision">Branch, tag or commit; null for <c>main</c>.</param>
    /// <param name="cancellationToken">Cancels the download. Partial downloads are kept and resumed.</param>
    /// <returns>Path of the file.</returns>
    public Task<string> DownloadFileAsync(string repoId, string file, string? revision = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        var (cache, at) = Open(RepoKind.Model, repoId, revision);
        HubNames.RequireFile(repoId, file);
        return GuardedAsync(async () =>
        {
            var subject = new HubSubject(RepoKind.Model, repoId, at, file);
            var kept = cache.CommitOf(at) is { } known && cache.Has(known, file) ? known : null;
            if (settings.Offline) return cache.FileAt(kept ?? throw NotCached(subject), file);
            if (kept == at) return cache.FileAt(kept, file);
            try
            {
                cache.Mark();
                var commit = await new FileDownload(settings, connection, cache, new(settings.Options.Progress, repoId, null)).RunAsync(at, file, kept is not null, cancellationToken).ConfigureAwait(false);
                cache.KeepCommit(at, commit);
                return cache.FileAt(commit, file);
            }
            catch (HubException error) when (error.Reason == HubError.Unreachable && kept is not null)
            {
                if (settings.Options.Logger is { } logger) LogStale(logger, subject, kept, error.Message);
                return cache.FileAt(kept, file);
            }
        });
    }

    /// <summary>Uploads a folder, such as a saved adapter, in one commit. Files of the repository that the folder lacks are kept.</summary>
    /// <param name="repoId">Id of the repository, <c>owner/name</c>.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Branch and message; the defaults if null.</param>
    /// <param name="filter">Selects files by their names in the folder, with <c>/</c> between folders; null for all. Hidden files and folders, whose names begin with a dot, are never uploaded.</param>
    /// <param name="cancellationToken">Cancels the upload. Nothing is committed, and the next upload does not send the finished large files again.</param>
    /// <exception cref="ArgumentException">The folder does not exist, or has no files to upload.</exception>
    public async Task<HubCommit> UploadFolderAsync(string repoId, string folder, HubUploadOptions? options = null, Func<string, bool>? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(repoId);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        options ??= new();
        HubNames.RequireRepository(repoId);
        if (!repoId.Contains('/')) throw new HubException(HubError.InvalidName, $"'{repoId}' names no owner. Write it as owner/{repoId}, with your user name or an organization.");
        var revision = options.Revision ?? HubNames.DefaultRevision;
        HubNames.RequireRevision(revision);
        if (!Directory.Exists(folder)) throw new ArgumentException($"The folder {folder} does not exist.", nameof(folder));
        if (settings.Offline) throw new HubException(HubError.Unreachable, "Offline (HF_HUB_OFFLINE or HubOptions.Offline): uploads are not possible.");
        if (settings.Token is null) throw new HubException(HubError.Unauthorized, $"An upload needs a token with write access: create one at {settings.Base}/settings/tokens, and set HF_TOKEN or HubOptions.Token to it.");
        try
        {
            var files = UploadFile.Of(folder, filter);
            if (files.Count == 0) throw new ArgumentException($"{folder} has no files to upload.", nameof(folder));
            foreach (var file in files) HubNames.RequireFile(repoId, file.Name);
            var subject = new HubSubject(RepoKind.Model, repoId, revision);
            return await new FolderUpload(new(settings, connection, subject, cancellationToken), subject, options, new(settings.Options.Progress, repoId, null)).RunAsync(folder, files, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new HubException(HubError.CacheUnusable, $"A file of {folder} cannot be read: {error.Message} Nothing was committed.", error);
        }
    }

    internal Task<string> DownloadAsync(RepoKind kind, string repoId, string? revision, Func<IEnumerable<string>, IReadOnlyList<string>> select, CancellationToken cancellationToken)
    {
        var (cache, at) = Open(kind, repoId, revision);
        return GuardedAsync(async () =>
        {
            var (commit, missing, total) = await FindMissingAsync(cache, at, select, cancellationToken).ConfigureAwait(false);
            if (missing.Count > 0)
            {
                cache.Mark();
                var download = new FileDownload(settings, connection, cache, new(settings.Options.Progress, repoId, total));
                var limits = new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, settings.Options.Parallelism), CancellationToken = cancellationToken };
                await Parallel.ForEachAsync(missing, limits, async (file, each) => await download.RunAsync(commit, file, false, each).ConfigureAwait(false)).ConfigureAwait(false);
            }
            if (!settings.Offline) cache.KeepCommit(at, commit);   // last, so that the revision keeps its old commit until all files are present
            return cache.Snapshot(commit);
        });
    }

    private async Task<(string Commit, IReadOnlyList<string> Missing, long? Total)> FindMissingAsync(
        RepoCache cache, string revision, Func<IEnumerable<string>, IReadOnlyList<string>> select, CancellationToken cancellationToken)
    {
        var kept = cache.CommitOf(revision);
        var keptFiles = kept is null ? null : cache.ListingOf(kept);
        var isCached = kept is not null && Directory.Exists(cache.Snapshot(kept)) && (keptFiles is null || select(keptFiles.Files.Keys).All(file => cache.Has(kept, file)));
        var subject = new HubSubject(cache.Kind, cache.Repository, revision);
        if (settings.Offline) return isCached ? (kept!, [], 0) : throw NotCached(subject);

        RepoListing listing;
        if (keptFiles is not null && kept == revision) listing = keptFiles;
        else
        {
            try
            {
                listing = await new Retry(settings, isCached).RunAsync(subject, () => connection.ListAsync(subject, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            catch (HubException error) when (error.Reason == HubError.Unreachable && isCached)
            {
                if (settings.Options.Logger is { } logger) LogStale(logger, subject, kept!, error.Message);
                return (kept!, [], 0);
            }
            cache.KeepListing(listing);   // first, so that other processes can tell that the snapshot is incomplete
        }
        var wanted = select(listing.Files.Keys);
        if (wanted.Count == 0)
            throw new HubException(HubError.EntryNotFound, $"{subject} has none of the requested files. It has: {string.Join(", ", listing.Files.Keys.Take(20))}.");
        var missing = wanted.Where(file => !cache.Has(listing.Commit, file)).ToList();
        return (listing.Commit, missing, missing.All(file => listing.Files[file].Size is not null) ? missing.Sum(file => listing.Files[file].Size) : null);
    }

    private (RepoCache Cache, string Revision) Open(RepoKind kind, string repoId, string? revision)
    {
        ArgumentNullException.ThrowIfNull(repoId);
        HubNames.RequireRepository(repoId);
        revision ??= HubNames.DefaultRevision;
        HubNames.RequireRevision(revision);
        return (new(settings, kind, repoId), revision);
    }

    private HubException NotCached(HubSubject subject)
        => new(HubError.NotCached, $"Offline (HF_HUB_OFFLINE or HubOptions.Offline), and the cache {settings.CacheFolder} does not have all files of {subject}. Download them once while online, or set another cache.");

    private async Task<T> GuardedAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (IOException error) when (Disk.IsFull(error))
        {
            throw new HubException(HubError.NoSpace, $"The disk of {settings.CacheFolder} is full. Free disk space, or set HF_HUB_CACHE or HubOptions.CacheFolder to another one. Partial downloads are kept.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new HubException(HubError.CacheUnusable, $"The cache {settings.CacheFolder} cannot be used ({error.Message}). Give this user access, or set HF_HUB_CACHE or HubOptions.CacheFolder to another folder.", error);
        }
    }

    // On the thread pool: the synchronization context of the caller may be blocked by this call.
    private static string Wait(Func<Task<string>> download) => Task.Run(download).GetAwaiter().GetResult();

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Subject}: using the cached commit {Commit}, because the hub cannot be queried for a newer one. {Failure}")]
    private static partial void LogStale(ILogger logger, HubSubject subject, string commit, string failure);
}
