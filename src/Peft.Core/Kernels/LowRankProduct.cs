using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ for a frozen matrix W and trainable low-rank factors B and A, perhaps with dropout of the second x. The update is added in place to the product with W, and only x·Aᵀ is kept. <see cref="FactoredProduct"/> is for small matrices.</summary>
internal sealed unsafe class LowRankProduct : NodeProduct
{
    private const int MaxRank = 64;   // above this, BLAS is as fast

    private readonly FrozenMatrix weight;
    private readonly Tensor? bias;
    private readonly int inputs, outputs, rank, wide;
    private readonly float scale;
    private readonly double dropout;
    private readonly bool aRequiresGrad, bRequiresGrad;

    private DropoutMask mask;   // of the last forward pass

    private LowRankProduct(FrozenMatrix weight, Tensor? bias, Tensor a, Tensor b, double scale, double dropout)
    {
        (this.weight, this.bias, this.scale, this.dropout) = (weight, bias, (float)scale, dropout);
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
    /// <param name="dropout">Probability with which a value of the update's input is dropped; 0 for none. The mask is drawn when the product is computed.</param>
    public static LowRankProduct? Of(FrozenMatrix weight, Tensor? bias, Tensor a, Tensor b, double scale, double dropout = 0)
        => TorchRuntime.Cpu.LowRankProducts && (dropout == 0 || (dropout < 1 && TorchRuntime.Cpu.DropoutMasks)) && weight.IsSupported && !(bias is not null && TensorMemory.Learns(bias)) && a.size(0) <= MaxRank && weight.Rows % SmallProduct.MinColumns == 0 && weight.Columns % SmallProduct.MinColumns == 0 && TensorMemory.Supports(bias ?? a, a, b)
            ? new(weight, bias, a, b, scale, dropout) : null;

    /// <summary>Adds s·(x·Aᵀ)·Bᵀ to outputs in place, without gradients.</summary>
    /// <param name="output"><c>[…, out]</c>, contiguous.</param>
    /// <param name="x"><c>[…, in]</c>, contiguous.</param>
    /// <returns>The outputs.</returns>
    public Tensor Add(Tensor output, Tensor x)
    {
        using var thin = Reduce(x);
        AddUpdate(Trained[1], thin, output);
        return output;
    }

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x)
    {
        var thin = Reduce(x);
        return (Multiply(weight, x, Trained[1], thin), [thin, .. weight.Kept]);
    }

    public override (Tensor Output, Tensor[] Kept) MultiplyAndAdd(Tensor x, Tensor residual)
    {
        var thin = Reduce(x);
        return (Multiply(weight, x, Trained[1], thin, residual), [thin, .. weight.Kept]);
    }

    public override Tensor[] Prepare(Tensor? x) => [Reduce(x!), .. weight.Kept];

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved) => Multiply(weight.With(saved), x, saved[1], saved[2]);

    private Tensor Multiply(FrozenMatrix matrix, Tensor x, Tensor b, Tensor thin, Tensor? residual = null)
    {
        if (!matrix.HasKernel(x))
        {
            var output = matrix.Multiply(x, bias).AsContiguous();
            AddUpdate(b, thin, output);
            return residual is null ? output : output.add_(residual, One);
        }
        fixed (float* bf = b.Floats(), ts = thin.Floats())
            return MatrixProduct.Run(x, matrix.Values!, bias, new(ts, wide, bf, rank, scale), residual);
    }

    // x·Aᵀ
    private Tensor Reduce(Tensor x)
    {
        if (dropout == 0) return Reduce(x, Trained[0]);
        mask = DropoutMask.Draw(dropout);
        var left = mask.Apply(x, null, CachingAllocator.Empty(x.Sizes()));
        var thin = Reduce(left, Trained[0]);
        left.Dispose();
        return thin;
    }

    private Tensor Reduce(Tensor x, Tensor a)
    {
        var thin = CachingAllocator.Empty(x.numel() / inputs, wide);
        using var turned = new Thin(inputs, wide);
        fixed (float* xs = x.Floats(), af = a.Floats(), ts = thin.Floats())
        {
            if (rank == wide) TileProducts.Transpose(af, rank, inputs, turned.Memory);
            else Transpose(af, rank, inputs, turned.Memory, wide);
            var (xp, tp, ap) = ((nint)xs, (nint)ts, (nint)turned.Memory);
            TensorMemory.InShares((int)thin.size(0), (_, start, count) => SmallProduct.Run((float*)xp + (nint)start * inputs, inputs, 1, (float*)ap, (float*)tp + (nint)start * wide, count, inputs, wide));
        }
        return thin;
    }

    // Adds s·(x·Aᵀ)·Bᵀ to the output.
    private void AddUpdate(Tensor b, Tensor thin, Tensor output)
    {
        using var turned = new Thin(wide, outputs);
        fixed (float* bf = b.Floats(), ts = thin.Floats(), ys = output.Floats())
        {
            Transpose(bf, outputs, rank, turned.Memory, outputs, scale);
            var (tp, yp, bp) = ((nint)ts, (nint)ys, (nint)turned.Memory);
            TensorMemory.InShares((int)thin.size(0), (_, start, count) =>
                SmallProduct.Run((float*)tp + (nint)start * wide, wide, 1, (float*)bp, outputs, (float*)yp + (nint)start * outputs, outputs, count, rank, outputs, add: true));
        }
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        var (a, b, thin) = (saved[0], saved[1], saved[2]);
        if (inputRequiresGrad) weight.With(saved).AddTransposed(gradient, ref ofInput);
        var rows = (int)(gradient.numel() / outputs);
        var (aGradient, bGradient) = (aRequiresGrad ? CachingAllocator.EmptyLike(a) : null, bRequiresGrad ? CachingAllocator.EmptyLike(b) : null);
        using var wideB = new Thin(outputs, wide);
        using var slopes = new Thin(rows, wide);              // dL/d(x·Aᵀ)
        using var ofB = new Thin(outputs, wide);
        var left = dropout == 0 ? x! : mask.Apply(x!, null, CachingAllocator.Empty(x!.Sizes()));
        fixed (float* xs = left.Floats(), af = a.Floats(), bf = b.Floats(), ts = thin.Floats(), gs = gradient.Floats(),
               gx = inputRequiresGrad ? ofInput!.Floats() : [], ga = aGradient is null ? [] : aGradient.Floats(), gb = bGradient is null ? [] : bGradient.Floats())
        {
            for (var row = 0; row < outputs; row++)
                for (var r = 0; r < rank; r++) wideB.Memory[row * wide + r] = bf[row * rank + r] * scale;
            var (xp, gp, tp, gxp, gap, ap, bp, sp, ob) = ((nint)xs, (nint)gs, (nint)ts, (nint)gx, (nint)ga, (nint)af, (nint)wideB.Memory, (nint)slopes.Memory, (nint)ofB.Memory);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var s = (float*)sp + (nint)start * wide;
                SmallProduct.Run((float*)gp + (nint)start * outputs, outputs, 1, (float*)bp, s, count, outputs, wide);
                if (inputRequiresGrad && dropout == 0) SmallProduct.Run(s, wide, 1, (float*)ap, inputs, (float*)gxp + (nint)start * inputs, inputs, count, rank, inputs, add: true);
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
            if (inputRequiresGrad && dropout > 0)
            {
                TensorMemory.InShares(rows, (_, start, count) => SmallProduct.Run((float*)sp + (nint)start * wide, wide, 1, (float*)ap, inputs, (float*)xp + (nint)start * inputs, inputs, count, rank, inputs, add: false));
                mask.Apply(left, ofInput, ofInput!);
            }
        }
        if (dropout > 0) left.Dispose();
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
