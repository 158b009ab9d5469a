namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="Float8Matrix"/>: a code a byte, in tiles.</summary>
internal sealed unsafe class Float8Reader(byte* codes, float* table, float* scales, long tileRows, long tileColumns, long columns) : ValueReader
{
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var across = (columns + tileColumns - 1) / tileColumns;
        for (var (at, end) = ((long)column, (long)column + count); at < end;)
        {
            var tile = at / tileColumns;
            var length = (int)(Math.Min(end, (tile + 1) * tileColumns) - at);
            ByteTable.Read(codes + row * columns + at, table, scales[row / tileRows * across + tile], length, to);
            at += length;
            to += length;
        }
    }
}
