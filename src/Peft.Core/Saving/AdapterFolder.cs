using Peft.Checkpoints;

namespace Peft;

/// <summary>Finds the folder of an adapter's files. Adapters other than <c>default</c> are saved into a subfolder of their name.</summary>
internal static class AdapterFolder
{
    private const int MostListed = 10;

    /// <summary>
    /// The folder itself if it holds an adapter; else its subfolder of the given name if that holds one; else its only subfolder that holds one. An interrupted
    /// save is completed first.
    /// </summary>
    /// <param name="folder">The folder that the caller gave.</param>
    /// <param name="name">Name of the adapter, if the caller gave one.</param>
    /// <exception cref="CheckpointException">No adapter is found, or several.</exception>
    public static string Find(string folder, string? name = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        FolderSave.Recover(folder);
        if (Holds(folder)) return folder;
        try
        {
            string[] adapters = Directory.Exists(folder) ? [.. Directory.EnumerateDirectories(folder).Where(Holds).Order(StringComparer.Ordinal)] : [];
            return Array.Find(adapters, path => Path.GetFileName(path) == name) ?? (adapters.Length == 1 ? adapters[0] : throw Missing(folder, adapters));
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw new CheckpointException(folder, $"cannot be read ({error.Message})", error);
        }
    }

    // A dangling link counts as well: reading it reports the error.
    private static bool Holds(string folder)
        => Path.Combine(folder, AdapterConfig.FileName) is var path && (Path.Exists(path) || new FileInfo(path).LinkTarget is not null);

    private static CheckpointException Missing(string folder, string[] adapters)
        => adapters.Length > 0
            ? new(folder, $"holds no {AdapterConfig.FileName}, but {adapters.Length} adapters in subfolders. Name one of {Listed(adapters)}.")
            : new(Path.Combine(folder, AdapterConfig.FileName), $"does not exist: a saved adapter is a folder with {AdapterConfig.FileName} and {AdapterCheckpoint.FileName}. "
                + (File.Exists(folder) ? "This is a file: name the folder that it is in."
                    : !Directory.Exists(folder) ? "The folder does not exist either."
                    : Directory.GetFileSystemEntries(folder) is { Length: > 0 } entries ? $"The folder holds: {Listed(entries.Select(Path.GetFileName))}." : "The folder is empty."));

    private static string Listed(IEnumerable<string?> names) => string.Join(", ", names.Take(MostListed + 1).Select((name, i) => i < MostListed ? name : "…"));
}
