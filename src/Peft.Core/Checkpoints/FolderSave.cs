using System.Text;

namespace Peft.Checkpoints;

/// <summary>
/// Writes files of one folder, and switches from the old ones to the new ones as a whole. They are written under another name on the same file system,
/// flushed to the disk, and then put in place:
/// <list type="bullet">
/// <item>a folder that is new gets its name, and a single file its own, by one rename;</item>
/// <item>on Linux a folder that is there is exchanged for the new one by one system call (<see cref="FolderExchange"/>);</item>
/// <item>where that is not possible, one rename declares the save as made, and then its files are renamed one by one. Whoever reads or saves next finishes what
/// a killed process left of that (<see cref="Recover"/>).</item>
/// </list>
/// What the folder holds besides stays. Nothing of the folder changes before <see cref="Commit"/>.
/// </summary>
internal sealed class FolderSave : IDisposable
{
    // Beside the files, it names those of an earlier save that go.
    const string Obsolete = SaveMark.Prefix + "obsolete";
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);
    // Within a process, so that no folder is exchanged while a save begins in it; between processes that is noticed.
    static readonly Lock Switching = new();

    readonly string given, folder;
    readonly SaveMark mark;
    Func<string, bool> isObsolete = _ => false;

    FolderSave(string given, string folder, SaveMark mark) => (this.given, this.folder, this.mark) = (given, folder, mark);

    /// <summary>Where the files are written. Whatever is there at <see cref="Commit"/> belongs to the save.</summary>
    public string Staging => mark.PathOf(SaveMark.Writing);

    /// <summary>Begins a save into a folder, which need not exist.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="inside">Whether the folder is made at once if it does not exist, since others may write other files there.</param>
    /// <exception cref="CheckpointException">Nothing can be written there.</exception>
    public static FolderSave Begin(string path, bool inside = false)
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
            string place = exists || parent is null ? folder : parent;
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
    /// <param name="name">Its path within the folder.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="length">Bytes that will be written if known, so that a full disk is found before the work; 0 if not.</param>
    /// <exception cref="CheckpointException">It could not be written.</exception>
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

    /// <summary>Says which files that lie in the folder itself are of an earlier save, and go unless they are written anew.</summary>
    public void Replaces(Func<string, bool> isObsolete) => this.isObsolete = isObsolete;

    /// <summary>Puts the files in their places.</summary>
    /// <exception cref="CheckpointException">They could not be put there. What was there before is there still.</exception>
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

    /// <summary>Removes what was not committed.</summary>
    public void Dispose()
    {
        Disk.TryDeleteFolder(Staging);
        mark.Dispose();
    }

    /// <summary>Finishes, before a folder is read, a save that was made whole but of which a killed process has not put all files in their places.</summary>
    /// <exception cref="CheckpointException">That is not possible, or another process has been about it for too long.</exception>
    public static void Recover(string path)
    {
        if (!Directory.Exists(path)) return;
        string folder = Disk.Real(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        // A save of the folder around it may hold files of this one: the experts of a mixture.
        foreach (string each in new[] { folder, Path.GetDirectoryName(folder) }.OfType<string>())
            foreach (string written in Find(each))
                Named(path, "holds a save that was interrupted, and finishing it failed", () => { FinishOrWait(each, written); return 0; });

        static IReadOnlyList<string> Find(string folder)
        {
            try
            {
                return Directory.GetDirectories(folder, SaveMark.Prefix + "*" + SaveMark.Written);
            }
            catch (Exception error) when (DiskFault.Is(error))
            {
                return [];   // who may not list a folder may still read its files
            }
        }
    }

    static void FinishOrWait(string folder, string written)
    {
        for (long start = Environment.TickCount64; Directory.Exists(written);)
        {
            using (var mark = SaveMark.Take(folder, SaveMark.IdOf(written)))
            {
                if (mark is not null) Finish(folder, written);
            }
            if (!Directory.Exists(written)) return;
            if (Environment.TickCount64 - start > LongestWait.TotalMilliseconds)
                throw new CheckpointException(folder, $"has been in the middle of a save for {LongestWait.TotalSeconds:F0} seconds. Let the process that saves into it end, and see that its user may write there.");
            Thread.Sleep(5);
        }
    }

    /// <summary>Removes what killed processes left in a folder, never what a living one still needs.</summary>
    static void Clear(string folder)
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
            // Others may own what is there.
        }
    }

    // One rename is all that is needed where there is nothing before, or but one file.
    bool TakesName()
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
                return false;   // another process was faster
            }
        }
        if (Disk.FilesOf(Staging) is not [var file] || Path.GetDirectoryName(file) != "" || Leaving([file]).Count > 0) return false;
        File.Move(Path.Combine(Staging, file), Path.Combine(folder, file), overwrite: true);
        return true;
    }

    void Replace()
    {
        var files = Disk.FilesOf(Staging);
        var leaving = Leaving(files);
        if (!FolderExchange.Try(mark, folder, files, leaving)) PutInPlace(leaving);
    }

    List<string> Leaving(IReadOnlyList<string> files)
        => [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Where(name => isObsolete(name) && !files.Contains(name))];

    void PutInPlace(IReadOnlyList<string> leaving)
    {
        if (leaving.Count > 0)
        {
            File.WriteAllLines(Path.Combine(Staging, Obsolete), leaving);
            Disk.Flush(Staging);
        }
        using var guard = mark.Folder == folder ? null : SaveMark.Create(folder, mark.Id);
        string written = (guard ?? mark).PathOf(SaveMark.Written);
        Directory.Move(Staging, written);   // from here on the save is made
        Disk.FlushNames(folder);
        Finish(folder, written);
    }

    static void Finish(string folder, string written)
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

    static T Named<T>(string path, string failed, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw new CheckpointException(path, $"{failed} ({error.Message}) What was there before is unchanged: make room, or see who may write there.", error);
        }
    }
}
