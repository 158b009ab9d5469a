namespace Peft.Hub;

/// <summary>Downloads a single file of a commit to the cache.</summary>
internal sealed class FileDownload(HubSettings settings, HubConnection connection, RepoCache cache, ProgressMeter meter)
{
    private const int MaxChanges = 5;

    /// <summary>Downloads the file unless it is cached. Returns its commit.</summary>
    /// <param name="revision">The revision.</param>
    /// <param name="file">The file.</param>
    /// <param name="isCached">True if the cache has an earlier version of the file.</param>
    /// <param name="cancellationToken">Cancels the download.</param>
    public async Task<string> RunAsync(string revision, string file, bool isCached, CancellationToken cancellationToken)
    {
        var subject = new HubSubject(cache.Kind, cache.Repository, revision, file);
        for (var changes = 0; changes <= MaxChanges; changes++)
        {
            var facts = await new Retry(settings, isCached).RunAsync(subject, () => connection.AskAsync(subject, cancellationToken), cancellationToken).ConfigureAwait(false);
            var commit = HubNames.IsCommit(revision) ? revision : facts.Commit;
            if (facts.Etag is null || commit is null || !HubNames.IsCommit(commit))
                throw new HubException(HubError.InvalidAnswer, $"{settings.Base} returned no hash or no commit for {subject}, so it is not a hub. Check HF_ENDPOINT, and check that no proxy answers in its place.");
            if (cache.Has(commit, file) || await PlaceAsync(subject, facts, commit, cancellationToken).ConfigureAwait(false)) return commit;
        }
        throw new HubException(HubError.InvalidAnswer, $"{subject} changed with each request. Check HF_ENDPOINT, or specify a commit.");
    }

    /// <summary>Downloads and links the file. Returns false if the server now has a different file.</summary>
    private async Task<bool> PlaceAsync(HubSubject subject, FileFacts facts, string commit, CancellationToken cancellationToken)
    {
        using var held = await FileLock.TakeAsync(cache.Lock(facts.Etag!), settings.Options.TimeProvider, cancellationToken).ConfigureAwait(false);
        if (cache.Has(commit, subject.File!)) return true;   // the previous holder of the lock has downloaded it
        var isNew = !File.Exists(cache.Blob(facts.Etag!));
        if (isNew && !await new BlobDownload(settings, connection, subject, facts, cache, meter).RunAsync(cancellationToken).ConfigureAwait(false)) return false;
        cache.Place(commit, subject.File!, facts.Etag!, isNew);
        return true;
    }
}
