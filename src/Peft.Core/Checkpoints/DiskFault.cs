namespace Peft.Checkpoints;

/// <summary>Tells errors of the disk from errors of the program.</summary>
internal static class DiskFault
{
    /// <summary>Whether a file could not be written: no room, no right, or larger than its file system allows.</summary>
    public static bool Is(Exception error)
        // .NET reports a file of more than 4 GiB on FAT32, or above the user's limit, as an argument "value" out of range.
        => error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };
}
