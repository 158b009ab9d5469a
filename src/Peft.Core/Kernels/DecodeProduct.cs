using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// W·x + b for a single position and a small matrix, on the CPU in float32 and without gradients. A decode step needs about
/// forty such products, for which torch's call overhead (five operations for three dimensions) exceeds the computation.
/// </summary>
internal static unsafe class DecodeProduct
{
    private const long Small = 1 << 17;   // maximum number of elements of the matrix; above this, threads pay off

    /// <summary>True if the kernel supports such tensors.</summary>
    /// <param name="input"><c>[…, inputs]</c></param>
    /// <param name="weight"><c>[outputs, inputs]</c></param>
    /// <param name="bias"><c>[outputs]</c>, or null.</param>
    /// <param name="inputs">Length of the input.</param>
    public static bool Supports(Tensor input, Tensor weight, Tensor? bias, long inputs)
        => TorchRuntime.Cpu.SmallProducts && inputs % 4 == 0 && !is_grad_enabled() && input.numel() == inputs && input.size(-1) == inputs && weight.numel() <= Small
           && TensorMemory.Supports(input, weight, bias ?? weight) && input.is_contiguous() && weight.is_contiguous() && bias?.is_contiguous() != false;

    /// <returns><c>[…, outputs]</c></returns>
    public static Tensor Run(Tensor input, Tensor weight, Tensor? bias, int inputs)
    {
        var outputs = (int)(weight.numel() / inputs);
        Span<long> shape = stackalloc long[(int)input.dim()];
        shape.Fill(1);
        shape[^1] = outputs;
        var result = CachingAllocator.Empty(shape);
        fixed (float* x = input.Floats(), w = weight.Floats(), y = result.Floats(), b = bias is null ? [] : bias.Floats()) Multiply(x, w, b, y, inputs, outputs);
        return result;
    }

    /// <summary>Computes W·x + b.</summary>
    /// <param name="x">The input, a multiple of 4 values.</param>
    /// <param name="w">W <c>[outputs, inputs]</c>.</param>
    /// <param name="b">The bias, or null.</param>
    /// <param name="y">Receives the outputs.</param>
    /// <param name="inputs">Length of the input.</param>
    /// <param name="outputs">Number of outputs.</param>
    // One row at a time: processors fetch a single stream from memory faster than several. Four sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    public static void Multiply(float* x, float* w, float* b, float* y, int inputs, int outputs)
    {
        for (var row = 0; row < outputs; row++, w += inputs)
        {
            Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
            nint d = 0;
            for (; d + 32 <= inputs; d += 32)
            {
                s0 = Vector256.FusedMultiplyAdd(Vector256.Load(x + d), Vector256.Load(w + d), s0);
                s1 = Vector256.FusedMultiplyAdd(Vector256.Load(x + d + 8), Vector256.Load(w + d + 8), s1);
                s2 = Vector256.FusedMultiplyAdd(Vector256.Load(x + d + 16), Vector256.Load(w + d + 16), s2);
                s3 = Vector256.FusedMultiplyAdd(Vector256.Load(x + d + 24), Vector256.Load(w + d + 24), s3);
            }
            for (; d + 8 <= inputs; d += 8) s0 = Vector256.FusedMultiplyAdd(Vector256.Load(x + d), Vector256.Load(w + d), s0);
            if (d < inputs) s1 = Vector256.FusedMultiplyAdd(Vector128.Load(x + d).ToVector256(), Vector128.Load(w + d).ToVector256(), s1);
            y[row] = Vector256.Sum((s0 + s1) + (s2 + s3));
        }
        if (b is null) return;
        for (var row = 0; row < outputs; row++) y[row] += b[row];
    }
}
