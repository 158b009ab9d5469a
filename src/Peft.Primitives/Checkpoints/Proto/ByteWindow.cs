namespace Peft.Checkpoints;

/// <summary>Bytes in memory, or in a file of any size that is read at arbitrary positions through a small buffer.</summary>
internal sealed class ByteWindow
{
    private const int BufferBytes = 32 << 10;

    private readonly IByteSource? file;
    private readonly Func<string, Exception> damaged;
    private readonly byte[] buffer;
    private long from;
    private int count;

    /// <summary>Creates a window over an array.</summary>
    /// <param name="content">The bytes.</param>
    /// <param name="damaged">Creates the exception for damaged content, from a phrase such as "a string that is not UTF-8".</param>
    public ByteWindow(byte[] content, Func<string, Exception> damaged)
    {
        (buffer, count, this.damaged) = (content, content.Length, damaged);
        Length = content.Length;
    }

    /// <summary>Creates a window over a file.</summary>
    /// <inheritdoc cref="ByteWindow(byte[], Func{string, Exception})"/>
    public ByteWindow(IByteSource file, Func<string, Exception> damaged)
    {
        (this.file, buffer, this.damaged) = (file, new byte[(int)Math.Min(BufferBytes, file.Length)], damaged);
        Length = file.Length;
    }

    public long Length { get; }

    /// <summary>Returns a span of bytes, valid until the next call.</summary>
    /// <param name="at">Position of the first byte.</param>
    /// <param name="bytes">Number of bytes. A span of a file is limited by memory.</param>
    public ReadOnlySpan<byte> Take(long at, int bytes)
    {
        if (at < from || at + bytes > from + count)
        {
            if (file is null || at + bytes > Length) throw Damaged("a field that runs past its end");
            if (bytes > buffer.Length)
            {
                var large = new byte[bytes];
                file.ReadExactly(large, at);
                return large;
            }
            (from, count) = (at, (int)Math.Min(buffer.Length, Length - at));
            file.ReadExactly(buffer.AsSpan(0, count), from);
        }
        return buffer.AsSpan((int)(at - from), bytes);
    }

    /// <summary>Fills the destination.</summary>
    public void CopyTo(Span<byte> destination, long at)
    {
        for (int part; !destination.IsEmpty; destination = destination[part..], at += part)
        {
            part = Math.Min(destination.Length, BufferBytes);
            Take(at, part).CopyTo(destination);
        }
    }

    public Exception Damaged(string problem) => damaged(problem);
}
