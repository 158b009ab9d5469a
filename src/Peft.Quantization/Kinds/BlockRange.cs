using Peft.Kernels;

namespace Peft.Quantization;

/// <summary>The blocks of a flattened matrix that hold some of its elements.</summary>
/// <param name="Start">The first element of the first block.</param>
/// <param name="Length">Number of elements of the blocks. The last block of a matrix may be short.</param>
/// <param name="First">The first block.</param>
/// <param name="Count">Number of blocks.</param>
internal readonly record struct BlockRange(long Start, long Length, long First, long Count)
{
    /// <summary>The blocks of <paramref name="length"/> elements from <paramref name="start"/> on.</summary>
    public static BlockRange Of(long start, long length, long size, long total)
    {
        var (first, end) = (start / size, TensorParts.Count(start + length, size));
        return new(first * size, Math.Min(end * size, total) - first * size, first, end - first);
    }
}
