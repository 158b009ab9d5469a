using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>Iterates over a flat tensor in chunks of a few megabytes: a span is limited to 2 GB, and staging buffers stay small.</summary>
internal static class TensorChunks
{
    public const int Bytes = 4 << 20;

    /// <summary>Calls <paramref name="use"/> with each chunk and its byte offset, in order.</summary>
    /// <param name="flat">A contiguous one-dimensional tensor.</param>
    /// <param name="size">Size of an element in the file, in bytes.</param>
    /// <param name="chunkLength">Maximum number of elements per chunk.</param>
    /// <param name="use">Receives a view, which is disposed after the call.</param>
    public static void ForEach(Tensor flat, int size, long chunkLength, Action<Tensor, long> use)
    {
        long total = flat.numel();
        for (long start = 0; start < total; start += chunkLength) Use(flat, start, Math.Min(chunkLength, total - start), size, use);
    }

    /// <summary>Like <see cref="ForEach"/>, in chunks of <see cref="Bytes"/>, in any order and from several threads.</summary>
    public static void ForEachInParallel(Tensor flat, int size, Action<Tensor, long> use)
    {
        long total = flat.numel(), chunkLength = Bytes / size;
        if (total <= chunkLength)
        {
            use(flat, 0);
            return;
        }
        try
        {
            Parallel.For(0, (total + chunkLength - 1) / chunkLength, chunk => Use(flat, chunk * chunkLength, Math.Min(chunkLength, total - chunk * chunkLength), size, use));
        }
        catch (AggregateException errors)
        {
            ExceptionDispatchInfo.Throw(errors.InnerExceptions[0]);
        }
    }

    private static void Use(Tensor flat, long start, long count, int size, Action<Tensor, long> use)
    {
        using var chunk = flat.narrow(0, start, count);
        use(chunk, start * size);
    }
}
