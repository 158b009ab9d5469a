using System.Text;

namespace Peft.Checkpoints;

/// <summary>Replaces files whole: a reader sees the old file or the new one, and a failed write leaves the old one.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file, creating its folder if needed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="length">Bytes that will be written if known, so that a full disk is found before the work; 0 if not.</param>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void Write(string path, Action<Stream> write, long length = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        using var save = FolderSave.Begin(Path.GetDirectoryName(Path.GetFullPath(path)) ?? path, inside: true);
        save.Write(Path.GetFileName(path), write, length);
        save.Commit();
    }

    /// <summary>Writes a text file in UTF-8, creating its folder if needed.</summary>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
