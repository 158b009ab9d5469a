using System.Buffers.Binary;
using System.Text;

namespace Peft.Checkpoints;

/// <summary>The bytes of a pickle, read from a range of a file through a small buffer, so that memory does not depend on the claimed length.</summary>
internal sealed class PickleStream(TensorFile file, long start, long end)
{
    private const int MaxTextBytes = 1 << 20; // names of tensors and modules; torch.save does not write longer strings

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly byte[] buffer = new byte[(int)Math.Min(32 << 10, Math.Max(end - start, 1))];
    private int at, count;
    private long next = start;

    /// <summary>Position in the file of the next byte.</summary>
    public long Position => next - (count - at);

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));

    public double Double() => BinaryPrimitives.ReadDoubleBigEndian(Take(sizeof(double)));

    /// <summary>Reads a little-endian signed integer of the given number of bytes.</summary>
    public long Integer(int bytes)
    {
        if (bytes == 0) return 0;
        if (bytes > sizeof(long)) throw Invalid($"an integer of {bytes} bytes, more than any size or offset requires");
        var taken = Take(bytes);
        long value = (sbyte)taken[^1];
        for (int i = bytes - 2; i >= 0; i--) value = (value << 8) | taken[i];
        return value;
    }

    /// <summary>Reads a UTF-8 string of the given number of bytes.</summary>
    public string Text(long bytes)
    {
        if (bytes < 0 || bytes > end - Position) throw Invalid($"a string of {bytes} bytes, which runs past the end");
        if (bytes > MaxTextBytes) throw Invalid($"a string of {bytes} bytes, above the limit of {MaxTextBytes}");
        return Decode(Take((int)bytes));
    }

    /// <summary>Reads a string up to a line feed.</summary>
    public string Line()
    {
        Span<byte> line = stackalloc byte[128];
        for (int length = 0; length < line.Length; length++)
        {
            if ((line[length] = Byte()) == (byte)'\n') return Decode(line[..length]);
        }
        throw Invalid($"a name longer than {line.Length} bytes");
    }

    /// <summary>Creates the exception for a pickle that is damaged, malicious or not supported.</summary>
    public CheckpointException Invalid(string problem, long? position = null, Exception? inner = null) => new(file.Path,
        $"the pickle at byte {position ?? Position} has {problem}. Nothing in the file was run. If you trust it, convert it to safetensors (in Python: "
        + "safetensors.torch.save_file(torch.load(file, weights_only=True), \"model.safetensors\")).", inner);

    private string Decode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException error)
        {
            throw Invalid("a string that is not valid UTF-8", inner: error);
        }
    }

    private ReadOnlySpan<byte> Take(int bytes)
    {
        if (bytes > end - Position) throw Invalid("no end: the file is truncated");
        if (bytes > buffer.Length)
        {
            var large = new byte[bytes];
            file.ReadExactly(large, Position);
            (next, at, count) = (Position + bytes, 0, 0);
            return large;
        }
        if (bytes > count - at)
        {
            long from = Position;
            count = (int)Math.Min(buffer.Length, end - from);
            file.ReadExactly(buffer.AsSpan(0, count), from);
            (next, at) = (from + count, 0);
        }
        at += bytes;
        return buffer.AsSpan(at - bytes, bytes);
    }
}
