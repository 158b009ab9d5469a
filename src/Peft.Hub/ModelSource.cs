using Peft.Checkpoints;

namespace Peft.Hub;

/// <summary>The folder and the name of a model.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Name">The hub id, or else the folder, as the caller passed it.</param>
internal sealed record ModelSource(string Folder, string Name)
{
    /// <summary>Resolves a model: an existing folder, or else a hub id, which is downloaded.</summary>
    /// <param name="nameOrPath">The folder or the id.</param>
    /// <param name="options">Revision and hub options.</param>
    /// <param name="select">Selects the files to download; null for all files of a model.</param>
    /// <exception cref="HubException">The download failed.</exception>
    public static ModelSource Resolve(string nameOrPath, PretrainedOptions? options, Func<IEnumerable<string>, IReadOnlyList<string>>? select = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrPath);
        // A name that cannot be an id must be a missing folder, which the reader reports.
        if (Directory.Exists(nameOrPath) || !HubNames.IsRepository(nameOrPath))
        {
            FolderSave.Recover(nameOrPath);
            return new(nameOrPath, nameOrPath);
        }
        try
        {
            var settings = options?.Hub ?? new();
            using var hub = new HubClient(settings with { Limits = settings.Limits ?? options?.Limits });
            return new(Task.Run(() => hub.DownloadAsync(RepoKind.Model, nameOrPath, options?.Revision, select ?? ModelFiles.Model, CancellationToken.None)).GetAwaiter().GetResult(), nameOrPath);
        }
        catch (HubException error)
        {
            throw new HubException(error.Reason, $"The folder '{nameOrPath}' does not exist, and downloading a repository of that name from the hub failed. {error.Message}", error);
        }
    }
}
