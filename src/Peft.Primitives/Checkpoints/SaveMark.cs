namespace Peft.Checkpoints;

/// <summary>
/// The locked file <c>.peft-ID.lock</c> next to the files of an unfinished save. The system releases the lock when the process ends, for whatever reason. The next
/// save can thus distinguish leftovers of a killed process from files of a running one.
/// </summary>
internal sealed class SaveMark : IDisposable
{
    /// <summary>Prefix of the names of all unfinished entries.</summary>
    public const string Prefix = ".peft-";

    /// <summary>Suffixes of the lock, of a save in progress, and of a complete save whose files are not all in place yet.</summary>
    public const string Lock = ".lock", Writing = ".writing", Written = ".written";

    private readonly FileStream stream;

    private SaveMark(string folder, string id, FileStream stream) => (Folder, Id, this.stream) = (folder, id, stream);

    /// <summary>Folder of the lock file.</summary>
    public string Folder { get; }

    public string Id { get; }

    /// <summary>Returns the path of the entry with a suffix that this mark guards.</summary>
    public string PathOf(string ending) => NameOf(Folder, Id, ending);

    /// <summary>Creates a mark in a folder.</summary>
    public static SaveMark Create(string folder, string? id = null)
    {
        for (int attempt = 0; ; attempt++)
        {
            string own = id ?? Guid.NewGuid().ToString("N"), path = NameOf(folder, own, Lock);
            var stream = Open(path, FileMode.CreateNew, attempt < 3 && id is null);
            // Another process may have cleared it between creation and locking.
            if (stream is not null && File.Exists(path)) return new(folder, own, stream);
            stream?.Dispose();
        }
    }

    /// <summary>Takes the mark of a save whose process has ended; null if that process is running, or the mark is not accessible.</summary>
    public static SaveMark? Take(string folder, string id)
        => Open(NameOf(folder, id, Lock), FileMode.OpenOrCreate, orNull: true) is { } stream ? new(folder, id, stream) : null;

    /// <summary>Finds the ids of all saves that have entries in a folder.</summary>
    public static IReadOnlyCollection<string> In(string folder)
        => [.. Directory.EnumerateFileSystemEntries(folder, Prefix + "*").Select(IdOf).Distinct()];

    public static string IdOf(string path) => Path.GetFileNameWithoutExtension(path)[Prefix.Length..];

    /// <summary>Removes the mark.</summary>
    public void Dispose()
    {
        // Deleted before it is unlocked, so that nobody takes a mark that guards nothing.
        if (!OperatingSystem.IsWindows()) Disk.TryDeleteFile(PathOf(Lock));
        stream.Dispose();
        if (OperatingSystem.IsWindows()) Disk.TryDeleteFile(PathOf(Lock));
    }

    private static FileStream? Open(string path, FileMode mode, bool orNull)
    {
        try
        {
            return new FileStream(path, mode, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception error) when (orNull && error is IOException and not DirectoryNotFoundException and not PathTooLongException || (orNull && mode == FileMode.OpenOrCreate && error is UnauthorizedAccessException))
        {
            return null;
        }
    }

    private static string NameOf(string folder, string id, string ending) => Path.Combine(folder, Prefix + id + ending);
}
