using System.Text;

namespace Peft.Checkpoints;

/// <summary>Replaces files atomically: a reader sees the old file or the new one, and a failed write keeps the old one.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file, and creates its folder if needed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="length">Number of bytes to be written if known, so that a full disk is detected before the write; 0 if unknown.</param>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void Write(string path, Action<Stream> write, long length = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        using var save = FolderSave.Begin(Path.GetDirectoryName(Path.GetFullPath(path)) ?? path, inside: true);
        save.Write(Path.GetFileName(path), write, length);
        save.Commit();
    }

    /// <summary>Writes a text file in UTF-8, and creates its folder if needed.</summary>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
