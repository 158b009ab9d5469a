using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ for a frozen matrix W and trainable low-rank factors B and A. The update is added in place to the product with W, and only x·Aᵀ is kept. <see cref="FactoredProduct"/> is for small matrices.</summary>
internal sealed unsafe class LowRankProduct : NodeProduct
{
    private const int MaxRank = 64;   // above this, BLAS is as fast

    private readonly FrozenMatrix weight;
    private readonly Tensor? bias;
    private readonly int inputs, outputs, rank, wide;
    private readonly float scale;
    private readonly bool aRequiresGrad, bRequiresGrad;

    private LowRankProduct(FrozenMatrix weight, Tensor? bias, Tensor a, Tensor b, double scale)
    {
        (this.weight, this.bias, this.scale) = (weight, bias, (float)scale);
        (inputs, outputs, rank) = ((int)weight.Columns, (int)weight.Rows, (int)a.size(0));
        (aRequiresGrad, bRequiresGrad) = (a.requires_grad, b.requires_grad);
        wide = (rank + SmallProduct.MinColumns - 1) / SmallProduct.MinColumns * SmallProduct.MinColumns;   // the rank, padded with zeros to whole vectors
        Trained = [a.AsContiguous(), b.AsContiguous()];
    }

    public override Tensor[] Trained { get; }

    /// <summary>The product; null if the kernels do not support it.</summary>
    /// <param name="weight">W</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    /// <param name="scale">s</param>
    public static LowRankProduct? Of(FrozenMatrix weight, Tensor? bias, Tensor a, Tensor b, double scale)
        => TorchRuntime.Cpu.LowRankProducts && weight.IsSupported && bias?.requires_grad != true && a.size(0) <= MaxRank && weight.Rows % SmallProduct.MinColumns == 0 && weight.Columns % SmallProduct.MinColumns == 0 && TensorMemory.Supports(bias ?? a, a, b)
            ? new(weight, bias, a, b, scale) : null;

    /// <summary>Adds s·(x·Aᵀ)·Bᵀ to outputs in place, without gradients.</summary>
    /// <param name="output"><c>[…, out]</c>, contiguous.</param>
    /// <param name="x"><c>[…, in]</c>, contiguous.</param>
    /// <returns>The outputs.</returns>
    public Tensor Add(Tensor output, Tensor x)
    {
        using var thin = Reduced(x);
        AddUpdate(x, Trained[0], Trained[1], thin, output, isKnown: false);
        return output;
    }

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x, bool isTemporary)
    {
        var output = weight.Multiply(x, bias, isTemporary).AsContiguous();
        var thin = Reduced(x);
        AddUpdate(x, Trained[0], Trained[1], thin, output, isKnown: false);
        return (output, [thin, .. weight.Kept]);
    }

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved)
    {
        var output = weight.With(saved).Multiply(x, bias, isTemporary: true).AsContiguous();
        AddUpdate(x, saved[0], saved[1], saved[2], output, isKnown: true);
        return output;
    }

    // Room for x·Aᵀ.
    private Tensor Reduced(Tensor x) => empty([x.numel() / inputs, wide], ScalarType.Float32);

    // Adds s·(x·Aᵀ)·Bᵀ to the output. Computes x·Aᵀ if it is not known.
    private void AddUpdate(Tensor x, Tensor a, Tensor b, Tensor thin, Tensor output, bool isKnown)
    {
        var rows = (int)thin.size(0);
        using var turnedA = new Thin(inputs, wide);
        using var turnedB = new Thin(wide, outputs);
        fixed (float* xs = x.Floats(), af = a.Floats(), bf = b.Floats(), ts = thin.Floats(), ys = output.Floats())
        {
            if (!isKnown) Transpose(af, rank, inputs, turnedA.Memory, wide);
            Transpose(bf, outputs, rank, turnedB.Memory, outputs, scale);
            var (xp, tp, yp, ap, bp) = ((nint)xs, (nint)ts, (nint)ys, (nint)turnedA.Memory, (nint)turnedB.Memory);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var t = (float*)tp + (nint)start * wide;
                if (!isKnown) SmallProduct.Run((float*)xp + (nint)start * inputs, inputs, 1, (float*)ap, t, count, inputs, wide);
                SmallProduct.Run(t, wide, 1, (float*)bp, outputs, (float*)yp + (nint)start * outputs, outputs, count, rank, outputs, add: true);
            });
        }
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        var (a, b, thin) = (saved[0], saved[1], saved[2]);
        if (inputRequiresGrad) weight.With(saved).AddTransposed(gradient, ref ofInput);
        var rows = (int)(gradient.numel() / outputs);
        var (aGradient, bGradient) = (aRequiresGrad ? empty_like(a) : null, bRequiresGrad ? empty_like(b) : null);
        using var wideB = new Thin(outputs, wide);
        using var slopes = new Thin(rows, wide);              // dL/d(x·Aᵀ)
        using var ofB = new Thin(outputs, wide);
        fixed (float* xs = x!.Floats(), af = a.Floats(), bf = b.Floats(), ts = thin.Floats(), gs = gradient.Floats(),
               gx = inputRequiresGrad ? ofInput!.Floats() : [], ga = aGradient is null ? [] : aGradient.Floats(), gb = bGradient is null ? [] : bGradient.Floats())
        {
            for (var row = 0; row < outputs; row++)
                for (var r = 0; r < rank; r++) wideB.Memory[row * wide + r] = bf[row * rank + r] * scale;
            var (xp, gp, tp, gxp, gap, ap, bp, sp, ob) = ((nint)xs, (nint)gs, (nint)ts, (nint)gx, (nint)ga, (nint)af, (nint)wideB.Memory, (nint)slopes.Memory, (nint)ofB.Memory);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var s = (float*)sp + (nint)start * wide;
                SmallProduct.Run((float*)gp + (nint)start * outputs, outputs, 1, (float*)bp, s, count, outputs, wide);
                if (inputRequiresGrad) SmallProduct.Run(s, wide, 1, (float*)ap, inputs, (float*)gxp + (nint)start * inputs, inputs, count, rank, inputs, add: true);
            });
            if (aRequiresGrad)
                TensorMemory.InShares(inputs / SmallProduct.MinColumns, (_, start, count) =>
                {
                    var first = start * SmallProduct.MinColumns;
                    SmallProduct.Run((float*)sp, 1, wide, (float*)xp + first, inputs, (float*)gap + first, inputs, rank, rows, count * SmallProduct.MinColumns, add: false);
                });
            if (bRequiresGrad)
            {
                TensorMemory.InShares(outputs, (_, start, count) => SmallProduct.Run((float*)gp + start, 1, outputs, (float*)tp, (float*)ob + (nint)start * wide, count, rows, wide));
                for (var row = 0; row < outputs; row++)
                    for (var r = 0; r < rank; r++) gb[row * rank + r] = ofB.Memory[row * wide + r] * scale;
            }
        }
        return [aGradient, bGradient];
    }

    // The transpose of a matrix, multiplied by a factor, with a given row stride.
    private static void Transpose(float* from, int rows, int columns, float* to, int distance, float factor = 1)
    {
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++) to[(nint)column * distance + row] = from[(nint)row * columns + column] * factor;
    }

    private readonly ref struct Thin
    {
        public readonly float* Memory;

        public Thin(int rows, int columns)
        {
            var size = (nuint)rows * (nuint)columns * sizeof(float);
            Memory = (float*)NativeMemory.AlignedAlloc(size, 64);
            NativeMemory.Clear(Memory, size);
        }

        public void Dispose() => NativeMemory.AlignedFree(Memory);
    }
}
