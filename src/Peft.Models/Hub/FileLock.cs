namespace Peft.Models;

/// <summary>
/// A file that one holder at a time may have open, in whatever process. On Unix this is <c>flock</c>, which Hugging Face's own client uses on the same file.
/// The file stays behind: deleting it would let two others lock different files of the same name.
/// </summary>
internal static class FileLock
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Waits until the lock is free and takes it; disposing what is returned gives it back.</summary>
    public static async Task<IDisposable> TakeAsync(string path, TimeProvider time, CancellationToken stop)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException error) when (Disk.IsHeldElsewhere(error))
            {
                await Task.Delay(Pause, time, stop).ConfigureAwait(false);
            }
        }
    }
}
