namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="BlockwiseMatrix"/>: a code a byte, in blocks that run over the ends of rows.</summary>
internal sealed unsafe class BlockwiseReader(byte* codes, float* table, float* scales, int blockSize, long columns) : ValueReader
{
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var at = row * columns + column;
        for (var end = at + count; at < end;)
        {
            var block = at / blockSize;
            var length = (int)(Math.Min(end, (block + 1) * blockSize) - at);
            ByteTable.Read(codes + at, table, scales[block], length, to);
            at += length;
            to += length;
        }
    }
}
