namespace Peft.Checkpoints;

/// <summary>A source of bytes that are read at arbitrary positions, such as an open file.</summary>
internal interface IByteSource
{
    /// <summary>Number of bytes.</summary>
    long Length { get; }

    /// <summary>Fills a span with the bytes at an offset.</summary>
    void ReadExactly(Span<byte> bytes, long offset);
}
