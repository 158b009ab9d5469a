using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>log softmax(z)[target] of rows z, and its derivative, onehot(target) − softmax(z), which is written over the rows. On the CPU in float32.</summary>
internal static unsafe class LogSoftmaxKernel
{
    private const int Block = 1024;   // a multiple of 16

    /// <summary>True if the kernel supports such rows and targets, all of which are indices of a row.</summary>
    /// <param name="rows"><c>[rows, size]</c></param>
    /// <param name="targets"><c>[rows]</c></param>
    public static bool Supports(Tensor rows, Tensor targets)
        => TorchRuntime.Cpu.TokenLosses && TensorMemory.Supports(rows) && rows.is_contiguous() && targets.dtype == ScalarType.Int64 && targets.is_contiguous() && TensorRules.Outside(targets, rows.size(1)) is null;

    /// <summary>Computes the values <c>[rows]</c>, and writes the derivatives over the rows. As in torch, a row whose highest value is not finite gives NaN.</summary>
    /// <param name="rows"><c>[rows, size]</c></param>
    /// <param name="targets"><c>[rows]</c></param>
    public static Tensor Differentiate(Tensor rows, Tensor targets)
    {
        var (count, size) = ((int)rows.size(0), (nint)rows.size(1));
        var values = empty(count, ScalarType.Float32);
        var (z, target, value) = (TensorAddress.Of(rows), TensorAddress.Of(targets), TensorAddress.Of(values));
        TensorMemory.InShares(count, (_, start, length) =>
        {
            for (var row = start; row < start + length; row++) ((float*)value)[row] = Row((float*)z + row * size, size, (nint)((long*)target)[row]);
        });
        GC.KeepAlive(rows);
        GC.KeepAlive(targets);
        return values;
    }

    // Sums of blocks are added up, since a float32 sum of 50,000 terms would lose two digits.
    [MethodImpl(JitOptions.Loop)]
    private static float Row(float* z, nint size, nint target)
    {
        var highest = HighestScore.Of(z, size);
        if (!float.IsFinite(highest))
        {
            for (nint at = 0; at < size; at++) z[at] = float.NaN;
            return float.NaN;
        }
        var (chosen, shift) = (z[target] - highest, Vector256.Create(highest));
        var sums = Vector256<float>.Zero;
        nint i = 0;
        while (i + 16 <= size)
        {
            Vector256<float> a = default, b = default;
            for (var end = Math.Min(size, i + Block); i + 16 <= end; i += 16)
            {
                var (first, second) = (Exponential.OrZero(Vector256.Load(z + i) - shift), Exponential.OrZero(Vector256.Load(z + i + 8) - shift));
                first.Store(z + i);
                second.Store(z + i + 8);
                a += first;
                b += second;
            }
            sums += a + b;
        }
        var sum = Vector256.Sum(sums);
        for (; i < size; i++) sum += z[i] = Exponential.OrZero(Vector256.Create(z[i] - highest))[0];
        var (factor, factors) = (-1 / sum, Vector256.Create(-1 / sum));
        for (i = 0; i + 8 <= size; i += 8) (Vector256.Load(z + i) * factors).Store(z + i);
        for (; i < size; i++) z[i] *= factor;
        z[target] += 1;
        return chosen - MathF.Log(sum);
    }
}
