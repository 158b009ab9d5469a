using Peft.Checkpoints;

namespace Peft;

/// <summary>Finds the folder of an adapter's files. Adapters other than <c>default</c> are saved to a subfolder with their name.</summary>
internal static class AdapterFolder
{
    private const int MaxListed = 10;

    /// <summary>
    /// Returns the folder itself if it contains an adapter; else its subfolder with the given name, if that contains one; else its only subfolder that contains one. An interrupted
    /// save is completed first.
    /// </summary>
    /// <param name="folder">The folder that the caller passed.</param>
    /// <param name="name">Name of the adapter, if the caller passed one.</param>
    /// <exception cref="CheckpointException">No adapter is found, or several.</exception>
    public static string Find(string folder, string? name = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        FolderSave.Recover(folder);
        if (HasAdapter(folder)) return folder;
        try
        {
            string[] adapters = Directory.Exists(folder) ? [.. Directory.EnumerateDirectories(folder).Where(HasAdapter).Order(StringComparer.Ordinal)] : [];
            return Array.Find(adapters, path => Path.GetFileName(path) == name) ?? (adapters.Length == 1 ? adapters[0] : throw Missing(folder, adapters));
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw new CheckpointException(folder, $"cannot be read ({error.Message})", error);
        }
    }

    // A dangling link counts, too: reading it reports the error.
    private static bool HasAdapter(string folder)
        => Path.Combine(folder, AdapterConfig.FileName) is var path && (Path.Exists(path) || new FileInfo(path).LinkTarget is not null);

    private static CheckpointException Missing(string folder, string[] adapters)
        => adapters.Length > 0
            ? new(folder, $"contains no {AdapterConfig.FileName}, but {adapters.Length} adapters in subfolders. Pass one of {Listed(adapters)}.")
            : new(Path.Combine(folder, AdapterConfig.FileName), $"does not exist: a saved adapter is a folder with {AdapterConfig.FileName} and {AdapterCheckpoint.FileName}. "
                + (File.Exists(folder) ? "This is a file: pass its folder."
                    : !Directory.Exists(folder) ? "The folder does not exist either."
                    : Directory.GetFileSystemEntries(folder) is { Length: > 0 } entries ? $"The folder contains: {Listed(entries.Select(Path.GetFileName))}." : "The folder is empty."));

    private static string Listed(IEnumerable<string?> names) => string.Join(", ", names.Take(MaxListed + 1).Select((name, i) => i < MaxListed ? name : "…"));
}
