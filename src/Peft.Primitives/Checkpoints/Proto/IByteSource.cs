namespace Peft.Checkpoints;

/// <summary>Bytes of any number that are read at arbitrary positions, such as an open file.</summary>
internal interface IByteSource
{
    /// <summary>Number of bytes.</summary>
    long Length { get; }

    /// <summary>Fills a span with the bytes from a position on.</summary>
    void ReadExactly(Span<byte> bytes, long offset);
}
