using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>
/// Memory of one panel, as long as it is used. A few are kept for later products: memory from the system must be mapped and cleared, which takes longer than to dequantize
/// into it.
/// </summary>
internal sealed class PanelMemory : IDisposable
{
    /// <summary>Number of values: a megabyte, which second-level caches hold.</summary>
    public const int Size = 1 << 18;

    private static readonly ConcurrentBag<Tensor> Free = [];

    private PanelMemory(Tensor values) => Values = values;

    /// <summary>A flat tensor in float32 on the CPU.</summary>
    public Tensor Values { get; }

    /// <summary>Takes memory for so many values.</summary>
    public static PanelMemory Take(long count)
    {
        if (count <= Size && Free.TryTake(out var values)) return new(values);
        using var normal = inference_mode(false);
        return new(empty(Math.Max(count, Size), ScalarType.Float32, CPU).DetachFromDisposeScope());
    }

    /// <summary>Gives it back.</summary>
    public void Dispose()
    {
        if (Values.numel() == Size && Free.Count < Environment.ProcessorCount) Free.Add(Values);
        else Values.Dispose();
    }
}
