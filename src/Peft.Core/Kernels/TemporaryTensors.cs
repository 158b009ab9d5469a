using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Large tensors that end before those that are allocated after them, in memory that the thread keeps for the rest of a training step, or of a forward pass without gradients. From torch, each would leave a hole among the tensors that the backward pass needs:
/// an allocator of aligned blocks (glibc before 2.38) puts no block into a hole of its size, since it looks for one with room to align.
/// </summary>
internal sealed class TemporaryTensors : IDisposable
{
    private const int Large = 1 << 15;   // values

    [ThreadStatic] private static TemporaryTensors? current;

    private readonly TemporaryTensors? outer = current;
    private readonly List<Tensor> free = [];
    private readonly List<(Tensor Memory, Tensor Taken)> used = [];

    private TemporaryTensors() { }

    /// <summary>Keeps memory for the temporary tensors of this thread until the result is disposed.</summary>
    public static TemporaryTensors InStep() => current = new();

    /// <summary>An uninitialized contiguous tensor of float32 on the CPU.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="isTemporary">True if it goes to <see cref="Return"/>; false for an ordinary tensor.</param>
    public static Tensor Empty(long[] shape, bool isTemporary)
    {
        long count = 1;
        foreach (var size in shape) count *= size;
        return current is null || !isTemporary || count < Large ? empty(shape, ScalarType.Float32) : current.Take(count, shape);
    }

    /// <summary>Disposes a tensor, and keeps its memory for the next one if it is temporary.</summary>
    public static void Return(Tensor tensor)
    {
        var at = current?.used.FindIndex(each => ReferenceEquals(each.Taken, tensor)) ?? -1;
        tensor.Dispose();
        if (at < 0) return;
        current!.free.Add(current.used[at].Memory);
        current.used.RemoveAt(at);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var memory in free) memory.Dispose();
        foreach (var (memory, _) in used) memory.Dispose();   // after an exception
        current = outer;
    }

    private Tensor Take(long count, long[] shape)
    {
        var memory = Fitting(count);
        using var part = memory.narrow(0, 0, count);
        var taken = part.view(shape);
        used.Add((memory, taken));
        return taken;
    }

    // The smallest one that is large enough. Otherwise the largest one makes room for a larger one.
    private Tensor Fitting(long count)
    {
        Tensor? best = null;
        foreach (var each in free)
        {
            var (size, before) = (each.numel(), best?.numel());
            if (before is null || (size >= count ? before < count || size < before : size > before)) best = each;
        }
        if (best is not null) free.RemoveAll(each => ReferenceEquals(each, best));
        if (best?.numel() >= count) return best;
        best?.Dispose();
        return empty([count], ScalarType.Float32).DetachFromDisposeScope();
    }
}
