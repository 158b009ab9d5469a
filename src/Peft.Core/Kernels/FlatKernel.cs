using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Passes over flat gradients. On the CPU in float32 by own loops: torch would wake a second thread for some ten thousand values, and that thread then spins on a core that the next forward pass needs.
/// </summary>
internal static unsafe class FlatKernel
{
    private const int Chunk = 1 << 17;   // elements per work item

    /// <summary>Sets all values to 0.</summary>
    public static void Clear(Tensor values)
    {
        if (TensorMemory.Supports(values)) Each(values.numel(), values, values, (to, _, count) => NativeMemory.Clear((float*)to, (nuint)count * sizeof(float)));
        else values.zero_();
    }

    /// <summary>Multiplies all values by a factor.</summary>
    public static void Scale(Tensor values, float factor)
    {
        if (TensorMemory.Supports(values)) Each(values.numel(), values, values, (to, _, count) => Scale((float*)to, factor, count));
        else values.mul_(Constant(factor));
    }

    /// <summary>Adds a tensor to a contiguous one of the same shape.</summary>
    public static void Add(Tensor values, Tensor added)
    {
        if (TensorMemory.Supports(values, added) && added.is_contiguous()) Each(values.numel(), values, added, (to, from, count) => Add((float*)to, (float*)from, count));
        else values.add_(added, One);
    }

    /// <summary>Computes the Euclidean norm as a float32 scalar, in blocks: a single float32 sum over 20 million squares is off by a thousandth.</summary>
    /// <param name="values">The values; their number is a multiple of the block.</param>
    /// <param name="block">Length of a block.</param>
    public static Tensor Norm(Tensor values, int block)
    {
        // In float32 even for 16-bit gradients: float16 overflows at 65504, which would look like an infinite gradient.
        if (!TensorMemory.Supports(values))
        {
            var wide = values.ElementSize >= 4 ? values : values.to_type(ScalarType.Float32);
            return wide.view(-1, block).norm(1).norm().to_type(ScalarType.Float32);
        }
        var sums = new double[(values.numel() + Chunk - 1) / Chunk];
        var start = TensorAddress.Of(values);
        Each(values.numel(), values, values, (from, _, count) =>
        {
            var sum = 0.0;
            for (var i = 0; i < count; i += block) sum += Squares((float*)from + i, Math.Min(block, count - i));
            sums[(from - start) / sizeof(float) / Chunk] = sum;
        });
        var total = 0.0;
        foreach (var sum in sums) total += sum;
        return tensor((float)Math.Sqrt(total));
    }

    // By address, since a span is limited to two gigabytes, which the gradients of a model may exceed.
    private static void Each(long length, Tensor first, Tensor second, Action<nint, nint, int> part)
    {
        var (a, b) = (TensorAddress.Of(first), TensorAddress.Of(second));
        TensorMemory.Parallel((int)((length + Chunk - 1) / Chunk), i =>
        {
            var at = (nint)i * Chunk;
            part(a + at * sizeof(float), b + at * sizeof(float), (int)Math.Min(Chunk, length - at));
        });
        GC.KeepAlive(first);
        GC.KeepAlive(second);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Scale(float* values, float factor, int count)
    {
        var i = 0;
        for (; i + 8 <= count; i += 8) (Vector256.Load(values + i) * factor).Store(values + i);
        for (; i < count; i++) values[i] *= factor;
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Add(float* to, float* from, int count)
    {
        var i = 0;
        for (; i + 8 <= count; i += 8) (Vector256.Load(to + i) + Vector256.Load(from + i)).Store(to + i);
        for (; i < count; i++) to[i] += from[i];
    }

    [MethodImpl(JitOptions.Loop)]
    private static float Squares(float* values, int count)
    {
        Vector256<float> even = default, odd = default;
        var i = 0;
        for (; i + 16 <= count; i += 16)
        {
            Vector256<float> left = Vector256.Load(values + i), right = Vector256.Load(values + i + 8);
            even = Vector256.FusedMultiplyAdd(left, left, even);
            odd = Vector256.FusedMultiplyAdd(right, right, odd);
        }
        var sum = Vector256.Sum(even + odd);
        for (; i < count; i++) sum += values[i] * values[i];
        return sum;
    }
}
