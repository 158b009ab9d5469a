namespace Peft.Checkpoints;

/// <summary>
/// Exchanges a folder for a new one by a single system call, so that any program finds either the old files or the new ones. First, the other files of the old folder
/// are hard-linked into the new one. Only Linux provides everything that this requires.
/// </summary>
internal sealed class FolderExchange
{
    // A folder with more unrelated entries is not that of an adapter or a model.
    private const int MaxOtherEntries = 10_000;

    private readonly string id, old, fresh;
    private readonly HashSet<string> own, leaving;
    private readonly HashSet<ulong> linked = [];
    private readonly Stack<string> added = [];
    private ulong device;

    private FolderExchange(string id, string old, string fresh, IEnumerable<string> own, IEnumerable<string> leaving)
        => (this.id, this.old, this.fresh, this.own, this.leaving) = (id, old, fresh, [.. own], [.. leaving]);

    /// <summary>Replaces a folder by a save. Returns false, with nothing changed, if that is not possible.</summary>
    /// <param name="mark">The save.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="own">The files of the save, by their paths relative to the folder.</param>
    /// <param name="leaving">Names of files to remove from the folder.</param>
    public static bool Try(SaveMark mark, string folder, IEnumerable<string> own, IEnumerable<string> leaving)
    {
        // A process whose working directory is the folder would stay in the old one.
        if (!OperatingSystem.IsLinux() || Path.GetDirectoryName(folder) is not { } parent || IsWithin(Environment.CurrentDirectory, folder)) return false;
        try
        {
            using var beside = mark.Folder == parent ? null : SaveMark.Create(parent, mark.Id);
            string staging = mark.PathOf(SaveMark.Writing), fresh = (beside ?? mark).PathOf(SaveMark.Writing);
            if (beside is not null) Directory.Move(staging, fresh);
            var exchange = new FolderExchange(mark.Id, folder, fresh, own, leaving);
            bool done = false;
            try
            {
                return done = exchange.Run();
            }
            finally
            {
                if (!done && beside is not null) Directory.Move(fresh, staging);
            }
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            return false;   // the parent folder is not writable, or this folder is a mount point
        }
    }

    private bool Run()
    {
        if (!(Prepare() && UnixFiles.TryExchange(fresh, old)))
        {
            while (added.TryPop(out var path))
            {
                if (Directory.Exists(path) && File.ResolveLinkTarget(path, returnFinalTarget: false) is null) Directory.Delete(path);
                else File.Delete(path);
            }
            return false;
        }
        Disk.FlushNames(Path.GetDirectoryName(old)!);
        try
        {
            KeepLateComers("");
            Disk.TryDeleteFolder(fresh);
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // The save is complete. The next one deletes what is left of the old folder.
        }
        return true;
    }

    private bool Prepare()
    {
        if (UnixFiles.Stat(old) is not { } stat || UnixFiles.Stat(Path.GetDirectoryName(old)!)?.Device != stat.Device) return false;
        device = stat.Device;
        try
        {
            return Share("") && Resembles("");
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            return false;
        }
    }

    // Links all other files of the old folder into the new one.
    private bool Share(string within)
    {
        foreach (var entry in new DirectoryInfo(Path.Combine(old, within)).EnumerateFileSystemInfos())
        {
            string path = Path.Combine(within, entry.Name), target = Path.Combine(fresh, path);
            if (entry.Name.StartsWith(SaveMark.Prefix, StringComparison.Ordinal))
            {
                if (SaveMark.IdOf(entry.Name) is var other && other != id && !IsLeftOver(Path.Combine(old, within), other)) return false;
                continue;
            }
            if (own.Contains(path) || leaving.Contains(path)) continue;
            if (added.Count == MaxOtherEntries) return false;
            if (entry is DirectoryInfo { LinkTarget: null })
            {
                bool isNew = !Directory.Exists(target);
                if (isNew)
                {
                    Directory.CreateDirectory(target);
                    added.Push(target);
                }
                if (UnixFiles.Stat(entry.FullName)?.Device != device || !Share(path) || !Resembles(path)) return false;
                continue;
            }
            if (UnixFiles.Stat(entry.FullName) is not { } stat || !UnixFiles.TryLink(entry.FullName, target)) return false;
            added.Push(target);
            linked.Add(stat.Number);
        }
        return true;
    }

    // Copies owner and permissions, and checks that there are no extended attributes (such as access control lists) beyond those of any new folder.
    private bool Resembles(string within)
    {
        string from = Path.Combine(old, within), to = Path.Combine(fresh, within);
        if (UnixFiles.Stat(from) is not { } wanted || UnixFiles.Stat(to) is not { } given) return false;
        if ((wanted.Owner, wanted.Group) != (given.Owner, given.Group) && !UnixFiles.TryChangeOwner(to, wanted.Owner, wanted.Group)) return false;
        if (UnixFiles.Attributes(from) != UnixFiles.Attributes(to)) return false;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(to, File.GetUnixFileMode(from));
        return true;
    }

    // Moves what other programs put into the old folder after it was read, including saves that they began there.
    private void KeepLateComers(string within)
    {
        foreach (var entry in new DirectoryInfo(Path.Combine(fresh, within)).EnumerateFileSystemInfos())
        {
            string path = Path.Combine(within, entry.Name), target = Path.Combine(old, path);
            if (entry.Name.StartsWith(SaveMark.Prefix + id, StringComparison.Ordinal) || own.Contains(path) || leaving.Contains(path)) continue;
            if (entry is DirectoryInfo { LinkTarget: null })
            {
                if (Directory.Exists(target)) KeepLateComers(path);
                else Directory.Move(entry.FullName, target);
            }
            else if (UnixFiles.Stat(entry.FullName) is { } stat && !linked.Contains(stat.Number)) File.Move(entry.FullName, target, overwrite: true);
        }
    }

    // Leftovers of a killed process are deleted with the old folder, but not the files of a running one, nor a complete save that must still be moved into place.
    private static bool IsLeftOver(string folder, string id)
    {
        using var dead = SaveMark.Take(folder, id);
        return dead is not null && !Directory.Exists(dead.PathOf(SaveMark.Written));
    }

    private static bool IsWithin(string path, string folder)
        => Path.GetRelativePath(folder, path) is var relative && (relative == "." || !(relative == ".." || relative.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted(relative)));
}
