using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Works through a large tensor in parts, so that temporary tensors stay small whatever its size.</summary>
internal static class TensorParts
{
    private const long AtOnce = 1 << 18;

    /// <summary>Calls <paramref name="use"/> with the start and length of spans of whole units that together cover <paramref name="count"/> elements, in a dispose scope each.</summary>
    public static void ForEach(long count, long unit, Action<long, long> use)
    {
        var most = Math.Max(1, AtOnce / unit) * unit;
        for (long start = 0; start < count; start += most)
        {
            using var scope = NewDisposeScope();
            use(start, Math.Min(most, count - start));
        }
    }

    /// <summary>Number of parts of a size, the last of which may be smaller.</summary>
    public static long Count(long count, long size) => count / size + (count % size == 0 ? 0 : 1);
}
