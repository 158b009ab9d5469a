using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Products with a matrix W <c>[out, in]</c> that fits into the processor's caches, in forward and backward passes. On the CPU in float32.</summary>
/// <param name="inputs">Number of inputs.</param>
/// <param name="outputs">Number of outputs.</param>
internal readonly unsafe struct SmallMatrix(int inputs, int outputs)
{
    private const long MaxElements = 1 << 16;

    private readonly int inputs = inputs, outputs = outputs;

    /// <summary>True if the kernels support matrices of such a size.</summary>
    public static bool Supports(long inputs, long outputs)
        => TorchRuntime.Cpu.SmallProducts && inputs * outputs <= MaxElements && inputs >= SmallProduct.MinColumns && outputs >= SmallProduct.MinColumns;

    /// <summary>Computes x·Wᵀ + b + residual.</summary>
    /// <param name="x"><c>[…, in]</c>, contiguous.</param>
    /// <param name="w">W</param>
    /// <param name="bias">b <c>[out]</c>, contiguous; null for none.</param>
    /// <param name="residual"><c>[…, out]</c>, contiguous; null for none.</param>
    /// <returns><c>[…, out]</c></returns>
    public Tensor Multiply(Tensor x, float* w, Tensor? bias, Tensor? residual)
    {
        var (inputs, outputs, shape) = (this.inputs, this.outputs, x.Sizes());
        shape[^1] = outputs;
        var output = CachingAllocator.Empty(shape);
        using var turned = new Scratch(inputs * outputs);
        Transpose(w, outputs, inputs, turned.Memory);
        var (xp, yp, wp, bp, rp) = (TensorAddress.Of(x), TensorAddress.Of(output), (nint)turned.Memory, bias is null ? 0 : TensorAddress.Of(bias), residual is null ? 0 : TensorAddress.Of(residual));
        TensorMemory.InShares((int)(x.numel() / inputs), (_, start, count) =>
        {
            var to = (float*)yp + (nint)start * outputs;
            var added = rp == 0 ? null : (float*)rp + (nint)start * outputs;
            SmallProduct.Run((float*)xp + (nint)start * inputs, inputs, 1, (float*)wp, outputs, added, to, outputs, count, inputs, outputs);
            if (bp != 0) FactoredProduct.AddRow(to, (float*)bp, count, outputs);
        });
        GC.KeepAlive(x);
        GC.KeepAlive(bias);
        GC.KeepAlive(residual);
        return output;
    }

    /// <summary>Computes y·W, or adds it to a sum.</summary>
    /// <param name="y"><c>[…, out]</c>, contiguous.</param>
    /// <param name="w">W</param>
    /// <param name="sum">The sum <c>[…, in]</c>, contiguous; null for none yet.</param>
    public void AddTransposed(Tensor y, float* w, ref Tensor? sum)
    {
        var (inputs, outputs) = (this.inputs, this.outputs);
        var adds = sum is not null && inputs % SmallProduct.MinColumns == 0;
        var own = sum;
        if (!adds)
        {
            var shape = y.Sizes();
            shape[^1] = inputs;
            own = CachingAllocator.Empty(shape);
        }
        var (yp, to, wp) = (TensorAddress.Of(y), TensorAddress.Of(own!), (nint)w);
        TensorMemory.InShares((int)(y.numel() / outputs), (_, start, count) =>
            SmallProduct.Run((float*)yp + (nint)start * outputs, outputs, 1, (float*)wp, inputs, (float*)to + (nint)start * inputs, inputs, count, outputs, inputs, adds));
        GC.KeepAlive(y);
        if (!adds) sum = sum is null ? own : sum.add_(own!, One);
    }

    /// <summary>Adds gᵀ·x, the gradient of W.</summary>
    /// <param name="g">The gradient of the output <c>[…, out]</c>, contiguous.</param>
    /// <param name="x">The input <c>[…, in]</c>, contiguous.</param>
    /// <param name="sum">Address of the sum <c>[out, in]</c>.</param>
    public void AddGradient(Tensor g, Tensor x, nint sum)
    {
        var (inputs, outputs, rows) = (this.inputs, this.outputs, (int)(x.numel() / this.inputs));
        var adds = inputs % SmallProduct.MinColumns == 0;
        var (gp, xp) = (TensorAddress.Of(g), TensorAddress.Of(x));
        TensorMemory.InShares(outputs, (_, start, count) =>
        {
            var to = (float*)sum + (nint)start * inputs;
            using var own = new Scratch(adds ? 0 : count * inputs);
            SmallProduct.Run((float*)gp + start, 1, outputs, (float*)xp, inputs, adds ? to : own.Memory, inputs, count, rows, inputs, adds);
            if (!adds) FactoredProduct.AddRow(to, own.Memory, 1, count * inputs);
        });
        GC.KeepAlive(g);
        GC.KeepAlive(x);
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
}
