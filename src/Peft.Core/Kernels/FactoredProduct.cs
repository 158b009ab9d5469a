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
    private const long Small = 1 << 16;   // maximum number of elements of the matrix, so that it fits into the cache

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
        => TorchRuntime.Cpu.SmallProducts && !TensorMemory.Learns(weight, bias ?? weight) && weight.numel() <= Small
           && weight.size(0) >= SmallProduct.MinColumns && weight.size(1) >= SmallProduct.MinColumns && TensorMemory.Supports(weight, bias ?? weight, a, b)
            ? new(weight, bias, a, b, scale) : null;

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x) => (Multiply(x, weight, Trained[0], Trained[1], null), [weight]);

    public override (Tensor Output, Tensor[] Kept) MultiplyAndAdd(Tensor x, Tensor residual) => (Multiply(x, weight, Trained[0], Trained[1], residual), [weight]);

    public override Tensor[] Prepare(Tensor? x) => [weight];

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved) => Multiply(x, saved[2], saved[0], saved[1], null);

    private Tensor Multiply(Tensor x, Tensor w, Tensor a, Tensor b, Tensor? residual)
    {
        var shape = x.Sizes();
        shape[^1] = outputs;
        var output = CachingAllocator.Empty(shape);
        var rows = (int)(x.numel() / inputs);
        using var sum = new Scratch(inputs * outputs);
        using var turned = new Scratch(inputs * outputs);
        fixed (float* xs = x.Floats(), ws = w.Floats(), bs = bias is null ? [] : bias.Floats(), af = a.Floats(), bf = b.Floats(), ys = output.Floats(), rs = residual is null ? [] : residual.Floats())
        {
            AddUp(ws, af, bf, sum.Memory);
            Transpose(sum.Memory, outputs, inputs, turned.Memory);
            var (xp, yp, wp, bp, rp) = ((nint)xs, (nint)ys, (nint)turned.Memory, (nint)bs, (nint)rs);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var to = (float*)yp + (nint)start * outputs;
                var added = rp == 0 ? null : (float*)rp + (nint)start * outputs;
                SmallProduct.Run((float*)xp + (nint)start * inputs, inputs, 1, (float*)wp, outputs, added, to, outputs, count, inputs, outputs);
                if (bp != 0) AddRow(to, (float*)bp, count, outputs);
            });
        }
        return output;
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        var (a, b, w) = (saved[0], saved[1], saved[2]);
        var adds = ofInput is not null && inputs % SmallProduct.MinColumns == 0;
        var own = !inputRequiresGrad ? null : adds ? ofInput! : CachingAllocator.EmptyLike(x!);
        var (aPlace, bPlace) = (DirectGradients.Of(a), DirectGradients.Of(b));
        var (aGradient, bGradient) = (aPlace != 0 ? null : zeros_like(a), bPlace != 0 ? null : zeros_like(b));
        var rows = (int)(x!.numel() / inputs);
        using var sum = new Scratch(inputs * outputs);
        fixed (float* xs = x.Floats(), ws = w.Floats(), af = a.Floats(), bf = b.Floats(), gs = gradient.Floats(), ga = aGradient is null ? [] : aGradient.Floats(), gb = bGradient is null ? [] : bGradient.Floats(),
               gx = own is null ? [] : own.Floats())
        {
            if (inputRequiresGrad)
            {
                AddUp(ws, af, bf, sum.Memory);
                var (gp, gxp, wp) = ((nint)gs, (nint)gx, (nint)sum.Memory);
                TensorMemory.InShares(rows, (_, start, count) =>
                    SmallProduct.Run((float*)gp + (nint)start * outputs, outputs, 1, (float*)wp, inputs, (float*)gxp + (nint)start * inputs, inputs, count, outputs, inputs, adds));
            }
            new FactorGradients(inputs, outputs, rank, scale).Run(xs, gs, af, bf, rows, aPlace != 0 ? (float*)aPlace : ga, bPlace != 0 ? (float*)bPlace : gb);
        }
        if (!adds && own is not null) ofInput = ofInput is null ? own : ofInput.add_(own, One);
        return [aGradient, bGradient];
    }

    // W + s·B·A.
    private void AddUp(float* w, float* a, float* b, float* to)
    {
        using var scaled = new Scratch(outputs * rank);
        Scale(b, scaled.Memory, outputs * rank, scale);
        SmallProduct.Run(scaled.Memory, rank, 1, a, inputs, w, to, inputs, outputs, rank, inputs);
    }

    // Transposes in blocks of eight by eight; the last blocks overlap the preceding ones.
    private static void Transpose(float* from, int rows, int columns, float* to)
    {
        for (var c = 0; c < columns; c += 8)
        {
            var column = Math.Min(c, columns - 8);
            for (var r = 0; r < rows; r += 8)
            {
                var row = Math.Min(r, rows - 8);
                TileProducts.TransposeBlock(from + (nint)row * columns + column, columns, to + (nint)column * rows + row, rows);
            }
        }
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
