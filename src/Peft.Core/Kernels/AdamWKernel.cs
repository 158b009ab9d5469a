using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// An AdamW step over flat float32 tensors on the CPU, in a single pass: m ← m + (1 − β₁)·(g − m), v ← β₂·v + (1 − β₂)·g²,
/// θ ← keep·θ − rate·m/(√v/root + ε).
/// </summary>
internal static unsafe class AdamWKernel
{
    private const int Chunk = 1 << 17;   // elements per work item

    // Without gradients, as for tokens that do not occur, the mean would fall to 4 units in the last place of the smallest numbers and stay there, since 0.9 · 4 is rounded to 4. An operation with such a number takes about 140 cycles
    // on Intel's processors. So means below 10⁻²²·ε and squares that are not normal become 0: they change no parameter, unless ε is so small that the root of such a square (10⁻¹⁹) is not negligible beside it.
    private const float Normal = 1.17549435e-38f, Negligible = 1e-22f, LeastEpsilon = 1e-10f;

    /// <summary>Coefficients that are constant over a range.</summary>
    /// <param name="Rest1">1 − β₁.</param>
    /// <param name="Beta2">β₂.</param>
    /// <param name="Rest2">1 − β₂, computed before rounding β₂.</param>
    /// <param name="Root">√(1 − β₂ᵗ).</param>
    /// <param name="Epsilon">ε.</param>
    /// <param name="Keep">1 − η·λ.</param>
    /// <param name="Rate">η/(1 − β₁ᵗ).</param>
    public readonly record struct Settings(float Rest1, float Beta2, float Rest2, float Root, float Epsilon, float Keep, float Rate);

    /// <summary>Updates values and moments, all <c>[total]</c> and contiguous, in a range.</summary>
    public static void Run(Tensor values, Tensor gradients, Tensor mean, Tensor square, long start, long length, Settings settings)
    {
        // By address, since a span is limited to two gigabytes, which the parameters of a model may exceed.
        var at = (nint)start * sizeof(float);
        var (v, g, m, s) = (TensorAddress.Of(values) + at, TensorAddress.Of(gradients) + at, TensorAddress.Of(mean) + at, TensorAddress.Of(square) + at);
        TensorMemory.Parallel((int)((length + Chunk - 1) / Chunk), part =>
        {
            var first = (nint)part * Chunk;
            Step((float*)v + first, (float*)g + first, (float*)m + first, (float*)s + first, (int)Math.Min(Chunk, length - first), settings);
        });
        GC.KeepAlive(values);
        GC.KeepAlive(gradients);
        GC.KeepAlive(mean);
        GC.KeepAlive(square);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Step(float* values, float* gradients, float* mean, float* square, int count, Settings settings)
    {
        var (rest1, beta2, rest2, root, epsilon, keep, rate) = settings;
        Vector256<float> one = Vector256.Create(rest1), two = Vector256.Create(beta2), other = Vector256.Create(rest2);
        Vector256<float> correction = Vector256.Create(root), small = Vector256.Create(epsilon), kept = Vector256.Create(keep), step = Vector256.Create(rate);
        var (mostMean, mostSquare) = epsilon < LeastEpsilon ? (0, 0) : (Negligible * epsilon, Normal);   // below, moments become 0
        Vector256<float> lowMean = Vector256.Create(mostMean), lowSquare = Vector256.Create(mostSquare);
        var i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var g = Vector256.Load(gradients + i);
            var m = Vector256.Load(mean + i);
            m += one * (g - m);
            m = Vector256.AndNot(m, Vector256.LessThan(Vector256.Abs(m), lowMean));
            var v = two * Vector256.Load(square + i) + other * g * g;
            v = Vector256.AndNot(v, Vector256.LessThan(v, lowSquare));
            m.Store(mean + i);
            v.Store(square + i);
            (kept * Vector256.Load(values + i) - step * m / (Vector256.Sqrt(v) / correction + small)).Store(values + i);
        }
        for (; i < count; i++)
        {
            var g = gradients[i];
            mean[i] += rest1 * (g - mean[i]);
            if (MathF.Abs(mean[i]) < mostMean) mean[i] = 0;
            square[i] = beta2 * square[i] + rest2 * g * g;
            if (square[i] < mostSquare) square[i] = 0;
            values[i] = keep * values[i] - rate * mean[i] / (MathF.Sqrt(square[i]) / root + epsilon);
        }
    }
}
