namespace Peft.Models;

/// <summary>What the file system says about space and about locks.</summary>
internal static class Disk
{
    /// <summary>Free bytes where a folder lies; null if unknown.</summary>
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

    // ENOSPC and EDQUOT of Linux and macOS; ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL of Windows.
    public static bool IsFull(IOException error) => error.HResult is 28 or 122 or 69 or unchecked((int)0x80070070) or unchecked((int)0x80070027);

    // EWOULDBLOCK of Linux and macOS; sharing and lock violation of Windows.
    public static bool IsHeldElsewhere(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020) or unchecked((int)0x80070021);
}
