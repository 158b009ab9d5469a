namespace Peft.Hub;

/// <summary>Queries the free space of a file system, and classifies its errors.</summary>
internal static class Disk
{
    /// <summary>Returns the number of free bytes on the disk of a folder; null if unknown.</summary>
    public static long? FreeSpace(string folder)
    {
        try
        {
            return new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    // ENOSPC and EDQUOT on Linux and macOS; ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL on Windows.
    public static bool IsFull(IOException error) => error.HResult is 28 or 122 or 69 or unchecked((int)0x80070070) or unchecked((int)0x80070027);

    // EWOULDBLOCK on Linux and macOS; sharing and lock violations on Windows.
    public static bool IsHeldElsewhere(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020) or unchecked((int)0x80070021);
}
