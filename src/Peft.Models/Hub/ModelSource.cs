using Peft.Checkpoints;

namespace Peft.Models;

/// <summary>Where a model's files lie, and what it is called.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Name">The hub id, or else the folder as it was given.</param>
internal sealed record ModelSource(string Folder, string Name)
{
    /// <summary>Finds a model: a folder that exists, or else a hub id, which is downloaded.</summary>
    /// <param name="nameOrPath">What the caller named.</param>
    /// <param name="options">Revision and hub options.</param>
    /// <param name="select">Which files are needed; all of a model if null.</param>
    /// <exception cref="HubException">The download failed.</exception>
    public static ModelSource Resolve(string nameOrPath, LoadOptions? options, Func<IEnumerable<string>, IReadOnlyList<string>>? select = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrPath);
        // What cannot be an id is a folder that is missing, and whoever reads the folder says so.
        if (Directory.Exists(nameOrPath) || !HubNames.IsRepository(nameOrPath))
        {
            FolderSave.Recover(nameOrPath);
            return new(nameOrPath, nameOrPath);
        }
        try
        {
            var settings = options?.Hub ?? new();
            using var hub = new HubClient(settings with { Limits = settings.Limits ?? options?.Limits });
            return new(Task.Run(() => hub.DownloadAsync(nameOrPath, options?.Revision, select ?? ModelFiles.Model, CancellationToken.None)).GetAwaiter().GetResult(), nameOrPath);
        }
        catch (HubException error)
        {
            throw new HubException(error.Reason, $"There is no folder '{nameOrPath}' here, and as a hub id it could not be had either. {error.Message}", error);
        }
    }
}
