using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>Iterates over a flat tensor in parts of a few megabytes: a span is limited to 2 GB, and staging buffers stay small.</summary>
internal static class TensorChunks
{
    public const int Bytes = 4 << 20;

    /// <summary>Calls <paramref name="use"/> with each part and its byte offset, in order.</summary>
    /// <param name="flat">A contiguous one-dimensional tensor.</param>
    /// <param name="size">Size of an element in the file, in bytes.</param>
    /// <param name="most">Maximum number of elements per part.</param>
    /// <param name="use">Receives a view, which is disposed after the call.</param>
    public static void ForEach(Tensor flat, int size, long most, Action<Tensor, long> use)
    {
        long total = flat.numel();
        for (long start = 0; start < total; start += most) Use(flat, start, Math.Min(most, total - start), size, use);
    }

    /// <summary>Like <see cref="ForEach"/>, in parts of <see cref="Bytes"/>, in any order and from several threads.</summary>
    public static void ForEachInParallel(Tensor flat, int size, Action<Tensor, long> use)
    {
        long total = flat.numel(), most = Bytes / size;
        if (total <= most)
        {
            use(flat, 0);
            return;
        }
        try
        {
            Parallel.For(0, (total + most - 1) / most, chunk => Use(flat, chunk * most, Math.Min(most, total - chunk * most), size, use));
        }
        catch (AggregateException errors)
        {
            ExceptionDispatchInfo.Throw(errors.InnerExceptions[0]);
        }
    }

    private static void Use(Tensor flat, long start, long count, int size, Action<Tensor, long> use)
    {
        using var part = flat.narrow(0, start, count);
        use(part, start * size);
    }
}
