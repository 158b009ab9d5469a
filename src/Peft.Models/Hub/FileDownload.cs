namespace Peft.Models;

/// <summary>Brings one file of a commit into the cache.</summary>
internal sealed class FileDownload(HubSettings settings, HubConnection connection, RepoCache cache, ProgressMeter meter)
{
    private const int MostChanges = 5;

    /// <summary>Downloads the file unless it is there; returns its commit.</summary>
    /// <param name="revision">The revision.</param>
    /// <param name="file">The file.</param>
    /// <param name="isCached">Whether the cache has the file as it once was.</param>
    /// <param name="stop">Ends the download.</param>
    public async Task<string> RunAsync(string revision, string file, bool isCached, CancellationToken stop)
    {
        var subject = new HubSubject(cache.Repository, revision, file);
        for (var changes = 0; changes <= MostChanges; changes++)
        {
            var facts = await new Retry(settings, isCached).RunAsync(subject, () => connection.AskAsync(subject, stop), stop).ConfigureAwait(false);
            var commit = HubNames.IsCommit(revision) ? revision : facts.Commit;
            if (facts.Etag is null || commit is null || !HubNames.IsCommit(commit))
                throw new HubException(HubError.InvalidAnswer, $"{settings.Base} says neither hash nor commit of {subject}, so it is no hub. Check HF_ENDPOINT, and that no proxy answers in its place.");
            if (cache.Has(commit, file) || await PlaceAsync(subject, facts, commit, stop).ConfigureAwait(false)) return commit;
        }
        throw new HubException(HubError.InvalidAnswer, $"{subject} is another file at each request. Check HF_ENDPOINT, or name a commit.");
    }

    /// <summary>Downloads and links; false if the server has another file by now.</summary>
    private async Task<bool> PlaceAsync(HubSubject subject, FileFacts facts, string commit, CancellationToken stop)
    {
        using var held = await FileLock.TakeAsync(cache.Lock(facts.Etag!), settings.Options.TimeProvider, stop).ConfigureAwait(false);
        if (cache.Has(commit, subject.File!)) return true;   // who held the lock before has fetched it
        var isNew = !File.Exists(cache.Blob(facts.Etag!));
        if (isNew && !await new BlobDownload(settings, connection, subject, facts, cache, meter).RunAsync(stop).ConfigureAwait(false)) return false;
        cache.Place(commit, subject.File!, facts.Etag!, isNew);
        return true;
    }
}
