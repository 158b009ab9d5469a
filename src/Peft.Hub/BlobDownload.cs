using System.Buffers;
using System.Net;

namespace Peft.Hub;

/// <summary>
/// Downloads a blob to <c>{etag}.incomplete</c>. An interrupted download leaves this file, and the next one resumes it. The file is renamed only after
/// its hash has been verified on disk.
/// </summary>
/// <remarks>
/// The caller holds the lock of the blob. On file systems that grant every lock, as some network file systems do, two processes write the same bytes to the same
/// positions, since the name identifies the content, and the slower one finds the blob complete.
/// </remarks>
internal sealed class BlobDownload(HubSettings settings, HubConnection hub, HubSubject subject, FileFacts facts, RepoCache cache, ProgressMeter meter)
{
    private readonly string etag = facts.Etag!;
    private readonly Retry retry = new(settings);
    private bool isResumed;

    /// <summary>Downloads the blob. Returns false if the server now has a different file.</summary>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(cache.Blobs);
        var path = cache.Incomplete(etag);
        isResumed = File.Exists(path) && new FileInfo(path).Length > 0;
        if (!await retry.RunAsync(subject, () => FetchAsync(path, cancellationToken), cancellationToken).ConfigureAwait(false)) return false;
        try
        {
            File.Move(path, cache.Blob(etag), overwrite: true);
        }
        catch (FileNotFoundException) when (File.Exists(cache.Blob(etag)))
        {
        }
        return true;
    }

    private async Task<bool> FetchAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0, useAsync: true);
        while (true)
        {
            if (file.Length > facts.Size) Restart(file);
            RequireSpace(file.Length);
            if (facts.Size is not { } size || file.Length < size)
            {
                if (!await ReceiveAsync(file, cancellationToken).ConfigureAwait(false)) return false;
                if (file.Length < facts.Size) throw new TransientException($"only {file.Length} of {facts.Size} bytes arrived.");
            }
            file.Flush(flushToDisk: true);
            if (await WrongHashAsync(file, cancellationToken).ConfigureAwait(false) is not { } found) return true;
            if (!isResumed)
            {
                file.SetLength(0);
                throw new HubException(HubError.HashMismatch, $"{subject} was damaged during the download from {settings.Base}: its hash is {found}, but should be {etag}. The damaged file was deleted. Try again; if it fails again, check for a proxy that modifies files.");
            }
            Restart(file);   // the bytes of an earlier download may be damaged
        }
    }

    private async Task<string?> WrongHashAsync(FileStream file, CancellationToken cancellationToken)
        => facts.Size is { } size && file.Length != size ? $"that of {file.Length} bytes instead of {size}" : await BlobHash.MismatchAsync(file, etag, cancellationToken).ConfigureAwait(false);

    /// <summary>Appends the missing part. Returns false if the server now has a different file.</summary>
    private async Task<bool> ReceiveAsync(FileStream file, CancellationToken cancellationToken)
    {
        using var answer = await hub.GetAsync(subject, file.Length, cancellationToken).ConfigureAwait(false);
        if (answer.Facts.Etag is { } now && now != etag) return false;
        if (file.Length > 0 && !(answer.Status == HttpStatusCode.PartialContent && answer.Content.Headers.ContentRange?.From == file.Length))
        {
            var isWhole = answer.Status == HttpStatusCode.OK;
            Restart(file);
            if (!isWhole) throw new TransientException("the server could not resume the download.", TimeSpan.Zero);
        }
        file.Position = file.Length;
        meter.Tell(subject.File!, file.Length, facts.Size);
        await CopyAsync(answer, file, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task CopyAsync(HubAnswer answer, FileStream file, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
        try
        {
            await using var body = await hub.WithinAsync(each => answer.Content.ReadAsStreamAsync(each), cancellationToken).ConfigureAwait(false);
            int count;
            while ((count = await hub.WithinAsync(each => body.ReadAsync(buffer, each).AsTask(), cancellationToken).ConfigureAwait(false)) > 0)
            {
                await file.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                retry.Reset();
                meter.Tell(subject.File!, file.Position, facts.Size);
                if (file.Position > facts.Size) return;   // not the expected file: the rest is not needed
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Restart(FileStream file)
    {
        file.SetLength(0);
        isResumed = false;
    }

    private void RequireSpace(long have)
    {
        if (facts.Size - have is { } needed && settings.FreeSpace(cache.Blobs) is { } free && free < needed)
            throw new HubException(HubError.NoSpace, $"{subject} needs {needed:N0} bytes more, but {settings.CacheFolder} has only {free:N0} free. Free disk space, or set HF_HUB_CACHE or HubOptions.CacheFolder to a larger disk.");
    }
}
