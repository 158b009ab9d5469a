namespace Peft.Checkpoints;

/// <summary>Small operations on files and folders.</summary>
internal static class Disk
{
    /// <summary>Resolves a path that is a symbolic link to a folder.</summary>
    public static string Real(string folder)
        => Directory.ResolveLinkTarget(folder, returnFinalTarget: true)?.FullName is { } target ? Path.TrimEndingDirectorySeparator(target) : folder;

    /// <summary>Lists the files of a folder and its subfolders, by their paths relative to the folder.</summary>
    public static IReadOnlyList<string> FilesOf(string folder)
        => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path)).Order(StringComparer.Ordinal)];

    /// <summary>Flushes everything in a folder to the disk.</summary>
    public static void Flush(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.FlushToDisk(handle);
        }
        foreach (string inner in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories).Prepend(folder)) FlushNames(inner);
    }

    /// <summary>Flushes the names in a folder to the disk. Windows has no such call, and some file systems refuse it: the system then writes the names later.</summary>
    public static void FlushNames(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        int descriptor = UnixFiles.Open(folder, 0);
        if (descriptor < 0) return;
        _ = UnixFiles.Flush(descriptor);
        _ = UnixFiles.Close(descriptor);
    }

    /// <summary>Deletes a file if possible.</summary>
    public static void TryDeleteFile(string path) => Try(() => File.Delete(path));

    /// <summary>Deletes a folder and everything in it if possible.</summary>
    public static void TryDeleteFolder(string path) => Try(() =>
    {
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
    });

    private static void Try(Action delete)
    {
        try
        {
            delete();
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // Leftovers only cost disk space; the next save tries again.
        }
    }
}
