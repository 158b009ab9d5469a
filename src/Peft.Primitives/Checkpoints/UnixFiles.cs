using System.Runtime.InteropServices;

namespace Peft.Checkpoints;

/// <summary>File operations of the system that .NET does not offer.</summary>
internal static partial class UnixFiles
{
    private const int AtWorkingFolder = -100, NoFollow = 0x100, OfDescriptor = 0x1000, BasicStats = 0x7ff, Exchange = 2;

    /// <summary>Reads owner, group, inode number and device of an entry, without following links (Linux); null if they are not available.</summary>
    public static (uint Owner, uint Group, ulong Number, ulong Device)? Stat(string path)
    {
        // struct statx has the same layout on all processors.
        Span<byte> stat = stackalloc byte[256];
        if (Statx(AtWorkingFolder, path, NoFollow, BasicStats, stat) != 0) return null;
        return (BitConverter.ToUInt32(stat[20..]), BitConverter.ToUInt32(stat[24..]), BitConverter.ToUInt64(stat[32..]), BitConverter.ToUInt64(stat[136..]));
    }

    /// <summary>Reads inode number and device of an open file, or of the file that a path names now (Linux); null if they are not available.</summary>
    public static (ulong Number, ulong Device)? Identity(SafeHandle handle) => Identity((int)handle.DangerousGetHandle(), "", OfDescriptor);

    /// <inheritdoc cref="Identity(SafeHandle)"/>
    public static (ulong Number, ulong Device)? Identity(string path) => Identity(AtWorkingFolder, path, 0);

    private static (ulong Number, ulong Device)? Identity(int folder, string path, int flags)
    {
        Span<byte> stat = stackalloc byte[256];
        return Statx(folder, path, flags, BasicStats, stat) == 0 ? (BitConverter.ToUInt64(stat[32..]), BitConverter.ToUInt64(stat[136..])) : null;
    }

    /// <summary>Exchanges the names of two entries atomically (Linux).</summary>
    public static bool TryExchange(string first, string second) => Rename(AtWorkingFolder, first, AtWorkingFolder, second, Exchange) == 0;

    /// <summary>Creates a hard link.</summary>
    public static bool TryLink(string existing, string name) => Link(existing, name) == 0;

    public static bool TryChangeOwner(string path, uint owner, uint group) => ChangeOwner(path, owner, group) == 0;

    /// <summary>Reads the names of the extended attributes, such as access control lists, in sorted order (Linux).</summary>
    public static string Attributes(string path)
    {
        var names = new byte[4096];
        long length = ListAttributes(path, names, names.Length);
        return length < 0 ? "" : string.Join('\0', System.Text.Encoding.UTF8.GetString(names, 0, (int)length).Split('\0').Order(StringComparer.Ordinal));
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    public static partial int Flush(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> stat);

    [LibraryImport("libc", EntryPoint = "renameat2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "llistxattr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ListAttributes(string path, [Out] byte[] names, nint size);
}
