using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Processes a large tensor in chunks, so that temporary tensors stay small.</summary>
internal static class TensorParts
{
    private const long AtOnce = 1 << 18;

    /// <summary>Calls <paramref name="use"/> with the start and length of chunks that together cover <paramref name="count"/> elements, each in a dispose scope. Lengths are multiples of the unit, except at the end.</summary>
    public static void ForEach(long count, long unit, Action<long, long> use)
    {
        var most = Math.Max(1, AtOnce / unit) * unit;
        for (long start = 0; start < count; start += most)
        {
            using var scope = NewDisposeScope();
            use(start, Math.Min(most, count - start));
        }
    }

    /// <summary>Returns the number of chunks of a size, the last of which may be smaller.</summary>
    public static long Count(long count, long size) => count / size + (count % size == 0 ? 0 : 1);
}
