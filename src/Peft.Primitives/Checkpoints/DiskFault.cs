namespace Peft.Checkpoints;

/// <summary>Distinguishes disk errors from program errors.</summary>
internal static class DiskFault
{
    /// <summary>True if a file could not be written: the disk is full, permission is missing, or the file system does not allow its size.</summary>
    public static bool Is(Exception error)
        // .NET reports a file of more than 4 GiB on FAT32, or above the user's limit, as an out-of-range argument "value".
        => error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };
}
