using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Access to the memory of tensors for kernels of this library.</summary>
internal static class TensorMemory
{
    /// <summary>True if the kernels support all tensors: float32 on the CPU, with fewer than 2³¹ elements.</summary>
    public static bool Supports(params ReadOnlySpan<Tensor> tensors)
    {
        foreach (var tensor in tensors)
            if (tensor.device_type != DeviceType.CPU || tensor.dtype != ScalarType.Float32 || tensor.numel() > int.MaxValue) return false;
        return true;
    }

    /// <summary>True if an autograd node is needed. Without gradients, the plain kernel is much cheaper to call.</summary>
    public static bool RequiresGrad(params ReadOnlySpan<Tensor> tensors)
    {
        if (!is_grad_enabled()) return false;
        foreach (var tensor in tensors)
            if (tensor.requires_grad) return true;
        return false;
    }

    /// <summary>True if one of the tensors learns. Outside of inference mode, it does so also in a pass without gradients: that of a checkpointed layer must round like the one with gradients.</summary>
    public static bool Learns(params ReadOnlySpan<Tensor> tensors)
    {
        if (is_inference_mode_enabled()) return false;
        foreach (var tensor in tensors)
            if (tensor.requires_grad) return true;
        return false;
    }

    /// <summary>Returns the elements of a contiguous tensor. The tensor must outlive the span.</summary>
    // The tensor's property for it would check again, by a dozen native calls, what the kernels know.
    public static unsafe Span<float> Floats(this Tensor tensor) => new((void*)TensorAddress.Of(tensor), checked((int)tensor.numel()));

    /// <summary>The tensor itself if it is contiguous, else a contiguous copy.</summary>
    public static Tensor AsContiguous(this Tensor tensor) => tensor.is_contiguous() ? tensor : tensor.contiguous();

    /// <summary>Runs the chunks of a job on as many threads as torch may use.</summary>
    public static void Parallel(int count, Action<int> part)
    {
        var threads = get_num_threads();
        if (threads == 1 || count == 1)
            for (var i = 0; i < count; i++) part(i);
        // Decode steps have many short jobs; in training, too, a thread that sleeps comes late.
        else if (!WorkTeam.TryRun(threads, count, part))
            System.Threading.Tasks.Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, part);
    }

    /// <summary>Runs a job for each of some rows, in chunks of rows.</summary>
    public static void ForRows(long rows, Action<long> row)
    {
        const int Chunk = 64;
        Parallel((int)((rows + Chunk - 1) / Chunk), part =>
        {
            for (var i = (long)part * Chunk; i < Math.Min(rows, (part + 1L) * Chunk); i++) row(i);
        });
    }

    /// <summary>Divides a range into several chunks for each thread, so that no thread waits long for another that the system has stopped.</summary>
    /// <param name="count">Length of the range.</param>
    /// <param name="unit">Chunks are multiples of this, but for the last.</param>
    /// <param name="part">Runs a chunk, given its start and length.</param>
    public static void InRanges(int count, int unit, Action<int, int> part)
    {
        const int PerThread = 4;
        var threads = get_num_threads();
        var most = PerThread * threads;
        var size = ((count + most - 1) / most + unit - 1) / unit * unit;
        var chunks = (count + size - 1) / size;
        Parallel(chunks, turn =>
        {
            var first = WorkTeam.Adjoining(turn, chunks, threads) * size;
            part(first, Math.Min(size, count - first));
        });
    }

    /// <summary>Divides a range into equal chunks, one for each thread, and returns their number.</summary>
    /// <param name="count">Length of the range.</param>
    /// <param name="part">Runs a chunk, given its index, start and length.</param>
    public static int InShares(int count, Action<int, int, int> part)
    {
        var size = Math.Max(1, (count + get_num_threads() - 1) / get_num_threads());
        var shares = Math.Max(1, (count + size - 1) / size);
        Parallel(shares, i => part(i, i * size, Math.Min(size, count - i * size)));
        return shares;
    }
}
