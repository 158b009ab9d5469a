namespace Peft.Checkpoints;

/// <summary>Replaces files of a folder together: a reader finds all of the old ones or all of the new ones, and a failed or killed write keeps the old ones.</summary>
public static class AtomicFolder
{
    /// <summary>
    /// Writes files of a folder. Other files in it are kept. On Linux the folder is exchanged as a whole, so any program finds either the old files or the new ones
    /// at any moment. If that is not possible (other systems, a parent folder without write permission, a folder that is a mount point or the
    /// working directory), this still holds for this library, but another program may find a mixture: while the files are renamed or, if the process is
    /// killed at that moment, until this library next reads or saves there.
    /// </summary>
    /// <param name="folder">The folder; it is created if it does not exist.</param>
    /// <param name="fill">Writes the files and subfolders, in any way, into the empty folder whose path it receives.</param>
    /// <exception cref="CheckpointException">The folder could not be written.</exception>
    public static void Write(string folder, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        using var save = FolderSave.Begin(folder);
        fill(save.Staging);
        save.Commit();
    }

    /// <summary>Completes a save whose process was killed while it moved files into place. This library's readers do this themselves.</summary>
    /// <param name="folder">The folder, which need not exist.</param>
    /// <exception cref="CheckpointException">This failed, or another process has been saving there for too long.</exception>
    public static void Recover(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        FolderSave.Recover(folder);
    }
}
