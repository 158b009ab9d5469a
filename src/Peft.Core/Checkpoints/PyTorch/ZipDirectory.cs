using System.Buffers.Binary;
using System.Text;

namespace Peft.Checkpoints;

/// <summary>
/// The directory of a zip archive (PKWARE's APPNOTE 6.3, with its 64-bit fields). Only uncompressed entries can be located:
/// <c>torch.save</c> does not compress, and an uncompressed entry cannot be larger than the file.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint LocalHeader = 0x04034b50, CentralHeader = 0x02014b50, EndRecord = 0x06054b50, EndRecord64 = 0x06064b50, EndLocator64 = 0x07064b50;
    private const int MaxDirectoryBytes = 64 << 20, EndBytes = 22, LocatorBytes = 20, End64Bytes = 56, CentralBytes = 46, LocalBytes = 30;

    private readonly TensorFile file;
    private readonly Dictionary<string, (long Header, long Length, string? Problem)> entries = [];
    private readonly long directory;

    public ZipDirectory(TensorFile file)
    {
        this.file = file;
        (directory, long length) = FindDirectory();
        if (directory < 0 || length < 0 || directory > file.Length - length) throw Invalid("its list of entries is outside the file");
        if (length > MaxDirectoryBytes) throw Invalid($"its list of entries takes {length} bytes, above the limit of {MaxDirectoryBytes}");
        var bytes = new byte[length];
        file.ReadExactly(bytes, directory);
        for (ReadOnlySpan<byte> rest = bytes; !rest.IsEmpty;) rest = rest[Add(rest)..];
    }

    public IReadOnlyCollection<string> Names => entries.Keys;

    /// <summary>Finds the position and length of an entry's content.</summary>
    /// <exception cref="CheckpointException">There is no such entry, or it is compressed, encrypted or outside the file.</exception>
    public (long Start, long Length) Find(string name)
    {
        if (!entries.TryGetValue(name, out var entry)) throw Invalid($"it has no entry '{name}'");
        if (entry.Problem is { } problem) throw Invalid($"its entry '{name}' {problem}");
        if (entry.Header < 0 || entry.Header > directory - LocalBytes) throw Invalid($"its entry '{name}' is outside the file");
        Span<byte> local = stackalloc byte[LocalBytes];
        file.ReadExactly(local, entry.Header);
        if (UInt32(local, 0) != LocalHeader) throw Invalid($"its entry '{name}' does not start where its list of entries says");
        long start = entry.Header + LocalBytes + UInt16(local, 26) + UInt16(local, 28);
        return entry.Length >= 0 && start <= directory - entry.Length ? (start, entry.Length) : throw Invalid($"its entry '{name}' is outside the file");
    }

    private (long Start, long Length) FindDirectory()
    {
        var tail = new byte[(int)Math.Min(file.Length, EndBytes + ushort.MaxValue)];
        file.ReadExactly(tail, file.Length - tail.Length);
        for (int at = tail.Length - EndBytes; at >= 0; at--)
        {
            var end = tail.AsSpan(at);
            if (UInt32(end, 0) != EndRecord || UInt16(end, 20) != end.Length - EndBytes) continue;
            long position = file.Length - tail.Length + at;
            return UInt32(end, 12) == uint.MaxValue || UInt32(end, 16) == uint.MaxValue || UInt16(end, 10) == ushort.MaxValue
                ? FindDirectory64(position - LocatorBytes)
                : (UInt32(end, 16), UInt32(end, 12));
        }
        throw Invalid("it has no list of entries at its end: the file is truncated");
    }

    private (long Start, long Length) FindDirectory64(long locatorAt)
    {
        Span<byte> locator = stackalloc byte[LocatorBytes], end = stackalloc byte[End64Bytes];
        if (locatorAt < 0) throw Invalid("its end is damaged");
        file.ReadExactly(locator, locatorAt);
        long at = Int64(locator, 8);
        if (UInt32(locator, 0) != EndLocator64 || at < 0 || at > file.Length - End64Bytes) throw Invalid("its end is damaged");
        file.ReadExactly(end, at);
        if (UInt32(end, 0) != EndRecord64) throw Invalid("its end is damaged");
        return (Int64(end, 48), Int64(end, 40));
    }

    private int Add(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < CentralBytes || UInt32(bytes, 0) != CentralHeader) throw Invalid("its list of entries is damaged");
        int name = UInt16(bytes, 28), extra = UInt16(bytes, 30), all = CentralBytes + name + extra + UInt16(bytes, 32);
        if (bytes.Length < all) throw Invalid("its list of entries is damaged");
        long stored = UInt32(bytes, 20), length = UInt32(bytes, 24), header = UInt32(bytes, 42);
        Widen(bytes.Slice(CentralBytes + name, extra), ref length, ref stored, ref header);
        string? problem = (UInt16(bytes, 8) & 1) != 0 ? "is encrypted"
            : UInt16(bytes, 10) != 0 || stored != length ? "is compressed, which torch.save does not do: save it again with torch.save"
            : null;
        string text = Encoding.UTF8.GetString(bytes.Slice(CentralBytes, name));
        if (!entries.TryAdd(text, (header, length, problem))) throw Invalid($"it has two entries '{text}'");
        return all;
    }

    // The extra field 1 contains, in this order, the 64-bit values of the fields that do not fit into 32 bits.
    private static void Widen(ReadOnlySpan<byte> extra, ref long length, ref long stored, ref long header)
    {
        while (extra.Length >= 4)
        {
            int kind = UInt16(extra, 0), size = Math.Min(UInt16(extra, 2), extra.Length - 4);
            var field = extra.Slice(4, size);
            extra = extra[(4 + size)..];
            if (kind != 1) continue;
            field = Widen(field, ref length);
            field = Widen(field, ref stored);
            Widen(field, ref header);
            return;
        }
    }

    private static ReadOnlySpan<byte> Widen(ReadOnlySpan<byte> field, scoped ref long number)
    {
        if (number != uint.MaxValue || field.Length < sizeof(long)) return field;
        number = Int64(field, 0);
        return field[sizeof(long)..];
    }

    private CheckpointException Invalid(string problem) => PyTorchFile.Invalid(file.Path, problem);

    private static ushort UInt16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint UInt32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long Int64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
