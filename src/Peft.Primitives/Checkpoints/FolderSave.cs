using System.Text;

namespace Peft.Checkpoints;

/// <summary>
/// Writes files of one folder, and switches from all of the old ones to all of the new ones. The files are written under another name on the same file system,
/// flushed to the disk, and then moved into place:
/// <list type="bullet">
/// <item>a new folder, or a single file, by one rename;</item>
/// <item>on Linux, an existing folder by one system call that exchanges it for the new one (<see cref="FolderExchange"/>);</item>
/// <item>otherwise, one rename marks the save as complete, and then its files are renamed one by one. If the process is killed meanwhile, the next reader or
/// writer completes the save (<see cref="Recover"/>).</item>
/// </list>
/// Other files in the folder are kept. Nothing in the folder changes before <see cref="Commit"/>.
/// </summary>
internal sealed class FolderSave : IDisposable
{
    // A file of the save that lists the files of earlier saves to delete.
    private const string Obsolete = SaveMark.Prefix + "obsolete";
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(10);
    // Prevents a thread from exchanging a folder while another begins a save in it; between processes, the exchange detects this.
    private static readonly Lock Switching = new();

    private readonly string given, folder;
    private readonly SaveMark mark;
    private Func<string, bool> isObsolete = _ => false;

    private FolderSave(string given, string folder, SaveMark mark) => (this.given, this.folder, this.mark) = (given, folder, mark);

    /// <summary>Folder into which the files are written. Everything in it at <see cref="Commit"/> belongs to the save.</summary>
    public string Staging => mark.PathOf(SaveMark.Writing);

    /// <summary>Begins a save into a folder, which need not exist.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="inside">True to create the folder immediately, because others may write other files there.</param>
    /// <param name="beside">True to write beside the folder even if it exists. For a folder that is saved only once: leftovers of a killed process in it would stay.</param>
    /// <exception cref="CheckpointException">The folder is not writable.</exception>
    public static FolderSave Begin(string path, bool inside = false, bool beside = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        string folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (File.Exists(folder)) throw new CheckpointException(path, "is a file, so no folder can be written there.");
        lock (Switching) return Named(path, "could not be written", () =>
        {
            if (inside) Directory.CreateDirectory(folder);
            bool exists = Directory.Exists(folder);
            if (exists) folder = Disk.Real(folder);
            string? parent = Path.GetDirectoryName(folder);
            string place = parent is null || (exists && !beside) ? folder : parent;
            Directory.CreateDirectory(place);
            Recover(folder);
            Clear(place);
            if (parent is not null && place != parent) Clear(parent);
            var save = new FolderSave(path, folder, SaveMark.Create(place));
            try
            {
                Directory.CreateDirectory(save.Staging);
                return save;
            }
            catch
            {
                save.Dispose();
                throw;
            }
        });
    }

    /// <summary>Writes a file of the save.</summary>
    /// <param name="name">Path of the file, relative to the folder.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="length">Number of bytes to be written if known, so that a full disk is detected before the write; 0 if unknown.</param>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public void Write(string name, Action<Stream> write, long length = 0)
    {
        string destination = Path.Combine(given, name), path = Path.Combine(Staging, name);
        if (Directory.Exists(Path.Combine(folder, name))) throw new CheckpointException(destination, "is a folder, so no file can be written there.");
        Named(destination, "could not be written", () =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using var stream = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, PreallocationSize = length });
            write(stream);
            stream.Flush(flushToDisk: true);
            return 0;
        });
    }

    /// <summary>Writes a text file of the save, in UTF-8.</summary>
    public void WriteText(string name, string text) => Write(name, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>Sets which files directly in the folder belong to an earlier save; they are deleted unless this save writes them.</summary>
    public void Replaces(Func<string, bool> isObsolete) => this.isObsolete = isObsolete;

    /// <summary>Moves the files into place.</summary>
    /// <exception cref="CheckpointException">The files could not be moved. The old files are unchanged.</exception>
    public void Commit() => Named(given, "could not be written", () =>
    {
        Disk.Flush(Staging);
        lock (Switching)
        {
            Recover(folder);
            if (!TakesName()) Replace();
        }
        Disk.FlushNames(folder);
        if (Path.GetDirectoryName(folder) is { } parent) Disk.FlushNames(parent);
        return 0;
    });

    /// <summary>Removes files that were not committed.</summary>
    public void Dispose()
    {
        Disk.TryDeleteFolder(Staging);
        mark.Dispose();
    }

    /// <summary>Completes an interrupted save before a folder is read: one whose process was killed while it moved the files into place.</summary>
    /// <exception cref="CheckpointException">This failed, or another process has been saving there for too long.</exception>
    public static void Recover(string path)
    {
        if (!Directory.Exists(path)) return;
        string folder = Disk.Real(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        // A save of the parent folder may contain files of this one, such as the experts of a mixture.
        foreach (string each in new[] { folder, Path.GetDirectoryName(folder) }.OfType<string>())
            foreach (string written in Find(each))
                Named(path, "contains an interrupted save that could not be completed", () => { FinishOrWait(each, written); return 0; });

        static IReadOnlyList<string> Find(string folder)
        {
            try
            {
                return Directory.GetDirectories(folder, SaveMark.Prefix + "*" + SaveMark.Written);
            }
            catch (Exception error) when (DiskFault.Is(error))
            {
                return [];   // files may be readable even if the folder cannot be listed
            }
        }
    }

    private static void FinishOrWait(string folder, string written)
    {
        for (long start = Environment.TickCount64; Directory.Exists(written);)
        {
            using (var mark = SaveMark.Take(folder, SaveMark.IdOf(written)))
            {
                if (mark is not null) Finish(folder, written);
            }
            if (!Directory.Exists(written)) return;
            if (Environment.TickCount64 - start > MaxWait.TotalMilliseconds)
                throw new CheckpointException(folder, $"has been in the middle of a save for {MaxWait.TotalSeconds:F0} seconds. Wait until the process that saves into it ends, and check that its user may write there.");
            Thread.Sleep(5);
        }
    }

    /// <summary>Removes leftovers of killed processes in a folder, but nothing that a running process still needs.</summary>
    private static void Clear(string folder)
    {
        try
        {
            foreach (string id in SaveMark.In(folder))
            {
                using var dead = SaveMark.Take(folder, id);
                if (dead is not null && !Directory.Exists(dead.PathOf(SaveMark.Written))) Disk.TryDeleteFolder(dead.PathOf(SaveMark.Writing));
            }
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // The leftovers may belong to another user.
        }
    }

    // A single rename suffices if the folder is new, or if only one file is written.
    private bool TakesName()
    {
        if (!Directory.Exists(folder))
        {
            try
            {
                Directory.Move(Staging, folder);
                return true;
            }
            catch (IOException) when (Directory.Exists(folder))
            {
                return false;   // another process created it first
            }
        }
        if (Disk.FilesOf(Staging) is not [var file] || Path.GetDirectoryName(file) != "" || Leaving([file]).Count > 0) return false;
        File.Move(Path.Combine(Staging, file), Path.Combine(folder, file), overwrite: true);
        return true;
    }

    private void Replace()
    {
        var files = Disk.FilesOf(Staging);
        var leaving = Leaving(files);
        if (!FolderExchange.Try(mark, folder, files, leaving)) PutInPlace(leaving);
    }

    private List<string> Leaving(IReadOnlyList<string> files)
        => [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Where(name => isObsolete(name) && !files.Contains(name))];

    private void PutInPlace(IReadOnlyList<string> leaving)
    {
        if (leaving.Count > 0)
        {
            File.WriteAllLines(Path.Combine(Staging, Obsolete), leaving);
            Disk.Flush(Staging);
        }
        using var guard = mark.Folder == folder ? null : SaveMark.Create(folder, mark.Id);
        string written = (guard ?? mark).PathOf(SaveMark.Written);
        Directory.Move(Staging, written);   // from here on the save is complete
        Disk.FlushNames(folder);
        Finish(folder, written);
    }

    private static void Finish(string folder, string written)
    {
        foreach (string file in Disk.FilesOf(written).Where(file => file != Obsolete))
        {
            string destination = Path.Combine(folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(destination)!);
            File.Move(Path.Combine(written, file), destination, overwrite: true);
        }
        string obsolete = Path.Combine(written, Obsolete);
        if (File.Exists(obsolete))
            foreach (string name in File.ReadLines(obsolete)) File.Delete(Path.Combine(folder, name));
        Disk.FlushNames(folder);
        Directory.Delete(written, recursive: true);
    }

    private static T Named<T>(string path, string failed, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw new CheckpointException(path, $"{failed} ({error.Message}) The old files are unchanged: free disk space, or check the permissions.", error);
        }
    }
}
