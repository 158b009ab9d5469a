using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·(W + s·B·A)ᵀ + b for a frozen matrix W and trainable low-rank factors B and A. Summing small matrices costs less than thin products. The sum is
/// recomputed in the backward pass, so that nothing is kept.
/// </summary>
internal sealed unsafe class FactoredProduct : NodeProduct
{
    private readonly Tensor weight;
    private readonly Tensor? bias;
    private readonly int inputs, outputs, rank;
    private readonly float scale;

    private FactoredProduct(Tensor weight, Tensor? bias, Tensor a, Tensor b, double scale)
    {
        (this.weight, this.bias, this.scale) = (weight.AsContiguous(), bias?.AsContiguous(), (float)scale);
        (inputs, outputs, rank) = ((int)weight.size(1), (int)weight.size(0), (int)a.size(0));
        Trained = [a.AsContiguous(), b.AsContiguous()];
    }

    public override Tensor[] Trained { get; }

    /// <summary>The product; null if the kernels do not support it.</summary>
    /// <param name="weight">W <c>[out, in]</c>, with any strides.</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    /// <param name="scale">s</param>
    public static FactoredProduct? Of(Tensor weight, Tensor? bias, Tensor a, Tensor b, double scale)
        => SmallMatrix.Supports(weight.size(1), weight.size(0)) && !TensorMemory.Learns(weight, bias ?? weight) && TensorMemory.Supports(weight, bias ?? weight, a, b)
            ? new(weight, bias, a, b, scale) : null;

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x) => (Multiply(x, weight, Trained[0], Trained[1], null), [weight]);

    public override (Tensor Output, Tensor[] Kept) MultiplyAndAdd(Tensor x, Tensor residual) => (Multiply(x, weight, Trained[0], Trained[1], residual), [weight]);

    public override Tensor[] Prepare(Tensor? x) => [weight];

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved) => Multiply(x, saved[2], saved[0], saved[1], null);

    private Tensor Multiply(Tensor x, Tensor w, Tensor a, Tensor b, Tensor? residual)
    {
        using var sum = new Scratch(inputs * outputs);
        fixed (float* ws = w.Floats(), af = a.Floats(), bf = b.Floats()) AddUp(ws, af, bf, sum.Memory);
        return new SmallMatrix(inputs, outputs).Multiply(x, sum.Memory, bias, residual);
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        var (a, b, w) = (saved[0], saved[1], saved[2]);
        var (aPlace, bPlace) = (DirectGradients.Of(a), DirectGradients.Of(b));
        var (aGradient, bGradient) = (aPlace != 0 ? null : zeros_like(a), bPlace != 0 ? null : zeros_like(b));
        var rows = (int)(x!.numel() / inputs);
        fixed (float* xs = x.Floats(), ws = w.Floats(), af = a.Floats(), bf = b.Floats(), gs = gradient.Floats(), ga = aGradient is null ? [] : aGradient.Floats(), gb = bGradient is null ? [] : bGradient.Floats())
        {
            if (inputRequiresGrad)
            {
                using var sum = new Scratch(inputs * outputs);
                AddUp(ws, af, bf, sum.Memory);
                new SmallMatrix(inputs, outputs).AddTransposed(gradient, sum.Memory, ref ofInput);
            }
            new FactorGradients(inputs, outputs, rank, scale).Run(xs, gs, af, bf, rows, aPlace != 0 ? (float*)aPlace : ga, bPlace != 0 ? (float*)bPlace : gb);
        }
        return [aGradient, bGradient];
    }

    // W + s·B·A.
    private void AddUp(float* w, float* a, float* b, float* to)
    {
        using var scaled = new Scratch(outputs * rank);
        Scale(b, scaled.Memory, outputs * rank, scale);
        SmallProduct.Run(scaled.Memory, rank, 1, a, inputs, w, to, inputs, outputs, rank, inputs);
    }

    [MethodImpl(JitOptions.Loop)]
    internal static void AddRow(float* to, float* row, int rows, int size)
    {
        for (var r = 0; r < rows; r++, to += size)
        {
            var d = 0;
            for (; d + 8 <= size; d += 8) (Vector256.Load(to + d) + Vector256.Load(row + d)).Store(to + d);
            for (; d < size; d++) to[d] += row[d];
        }
    }

    [MethodImpl(JitOptions.Loop)]
    internal static void Scale(float* from, float* to, int count, float factor)
    {
        var i = 0;
        for (; i + 8 <= count; i += 8) (Vector256.Load(from + i) * factor).Store(to + i);
        for (; i < count; i++) to[i] = from[i] * factor;
    }
}
