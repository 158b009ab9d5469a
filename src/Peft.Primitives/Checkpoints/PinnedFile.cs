using Microsoft.Win32.SafeHandles;

namespace Peft.Checkpoints;

/// <summary>
/// Detects whether a save has replaced a file since it was pinned. The file stays open, so that the system cannot give its inode number to another file meanwhile.
/// </summary>
internal sealed class PinnedFile : IDisposable
{
    private readonly string path;
    private readonly SafeFileHandle? handle;
    private readonly DateTime written;

    /// <summary>Pins the file that a path names now; a missing file is pinned as missing.</summary>
    public PinnedFile(string path)
    {
        this.path = path;
        try
        {
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            written = File.GetLastWriteTimeUtc(handle);
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // Whoever reads the file reports this.
        }
    }

    /// <summary>Whether the path still names the same file.</summary>
    public bool IsCurrent => handle is null ? !File.Exists(path)
        : OperatingSystem.IsLinux() && UnixFiles.Identity(handle) is { } pinned ? UnixFiles.Identity(path) == pinned
        : File.Exists(path) && File.GetLastWriteTimeUtc(path) == written;

    /// <inheritdoc/>
    public void Dispose() => handle?.Dispose();
}
