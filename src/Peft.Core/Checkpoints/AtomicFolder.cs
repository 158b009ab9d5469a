namespace Peft.Checkpoints;

/// <summary>Replaces files of a folder together: a reader finds all of the old ones or all of the new ones, and a failed or killed write leaves the old ones.</summary>
public static class AtomicFolder
{
    /// <summary>
    /// Writes files of a folder. What it holds besides stays. On Linux any program finds the old files or the new ones at any moment, since the folder is
    /// exchanged as one. Where that is not possible (other systems, a parent folder without write permission, a folder that is a mount point or the
    /// working directory) this library does so too, while another program may find some of each: while the files are renamed, or, if the process is
    /// killed just then, until this library next reads or saves there.
    /// </summary>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <param name="fill">Writes the files and subfolders into the empty folder whose path it is given, in any way.</param>
    /// <exception cref="CheckpointException">The folder could not be written.</exception>
    public static void Write(string folder, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        using var save = FolderSave.Begin(folder);
        fill(save.Staging);
        save.Commit();
    }

    /// <summary>Finishes, where a killed process left one, a save whose files are not all in their places. This library's readers do so by themselves.</summary>
    /// <param name="folder">The folder, which need not exist.</param>
    /// <exception cref="CheckpointException">That is not possible, or another process has been about it for too long.</exception>
    public static void Recover(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        FolderSave.Recover(folder);
    }
}
