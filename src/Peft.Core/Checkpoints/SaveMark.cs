namespace Peft.Checkpoints;

/// <summary>
/// The locked file <c>.peft-ID.lock</c> beside what a save has not finished. The system frees the lock when the process ends, however it ends: so the next
/// save knows what a killed one left from what a living one still needs.
/// </summary>
internal sealed class SaveMark : IDisposable
{
    /// <summary>What the names of all unfinished entries begin with.</summary>
    public const string Prefix = ".peft-";

    /// <summary>Endings of the lock, of what is being written, and of a whole save whose files are not all in their places yet.</summary>
    public const string Lock = ".lock", Writing = ".writing", Written = ".written";

    readonly FileStream stream;

    SaveMark(string folder, string id, FileStream stream) => (Folder, Id, this.stream) = (folder, id, stream);

    /// <summary>The folder that it lies in.</summary>
    public string Folder { get; }

    public string Id { get; }

    /// <summary>The entry of an ending that this mark guards.</summary>
    public string PathOf(string ending) => NameOf(Folder, Id, ending);

    /// <summary>A new mark in a folder.</summary>
    public static SaveMark Create(string folder, string? id = null)
    {
        for (int attempt = 0; ; attempt++)
        {
            string own = id ?? Guid.NewGuid().ToString("N"), path = NameOf(folder, own, Lock);
            var stream = Open(path, FileMode.CreateNew, attempt < 3 && id is null);
            // One who clears up may have come between creating the file and locking it.
            if (stream is not null && File.Exists(path)) return new(folder, own, stream);
            stream?.Dispose();
        }
    }

    /// <summary>The mark of a save whose process has ended; null if it lives, or its mark cannot be had.</summary>
    public static SaveMark? Take(string folder, string id)
        => Open(NameOf(folder, id, Lock), FileMode.OpenOrCreate, orNull: true) is { } stream ? new(folder, id, stream) : null;

    /// <summary>The ids of all saves of which something is in a folder.</summary>
    public static IReadOnlyCollection<string> In(string folder)
        => [.. Directory.EnumerateFileSystemEntries(folder, Prefix + "*").Select(IdOf).Distinct()];

    public static string IdOf(string path) => Path.GetFileNameWithoutExtension(path)[Prefix.Length..];

    /// <summary>Removes the mark.</summary>
    public void Dispose()
    {
        // Gone before it is unlocked, so that none takes it who would find nothing to guard.
        if (!OperatingSystem.IsWindows()) Disk.TryDeleteFile(PathOf(Lock));
        stream.Dispose();
        if (OperatingSystem.IsWindows()) Disk.TryDeleteFile(PathOf(Lock));
    }

    static FileStream? Open(string path, FileMode mode, bool orNull)
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

    static string NameOf(string folder, string id, string ending) => Path.Combine(folder, Prefix + id + ending);
}
