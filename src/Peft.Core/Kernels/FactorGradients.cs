using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>The gradients of low-rank factors A <c>[rank, in]</c> and B <c>[out, rank]</c> of a product x·(W + s·B·A)ᵀ, from its input and the gradient g of its output.</summary>
/// <param name="inputs">Number of inputs.</param>
/// <param name="outputs">Number of outputs.</param>
/// <param name="rank">Number of rows of A.</param>
/// <param name="scale">s</param>
internal readonly unsafe struct FactorGradients(int inputs, int outputs, int rank, float scale)
{
    private const int Lanes = SmallProduct.MinColumns;

    private readonly int inputs = inputs, outputs = outputs, rank = rank;
    private readonly float scale = scale;

    /// <summary>Adds the gradients to sums.</summary>
    /// <param name="x">Input <c>[rows, in]</c>.</param>
    /// <param name="g">Gradient <c>[rows, out]</c> of the output.</param>
    /// <param name="a">A</param>
    /// <param name="b">B</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="ofA">The sum of gradients of A.</param>
    /// <param name="ofB">The sum of gradients of B.</param>
    public void Run(float* x, float* g, float* a, float* b, int rows, float* ofA, float* ofB)
    {
        if (2 * Wide * (inputs + outputs) < inputs * outputs) ByFactors(x, g, a, b, rows, ofA, ofB);
        else ByMatrix(x, g, a, b, rows, ofA, ofB);
    }

    // The rank, padded to whole vectors.
    private int Wide => (rank + Lanes - 1) / Lanes * Lanes;

    // dL/dA = s·(g·B)ᵀ·x and dL/dB = s·gᵀ·(x·Aᵀ).
    private void ByFactors(float* x, float* g, float* a, float* b, int rows, float* ofA, float* ofB)
    {
        var (inputs, outputs, rank, wide) = (this.inputs, this.outputs, this.rank, Wide);
        var size = rank * (inputs + outputs);   // of both gradients, that of B transposed
        using var memory = new Scratch((inputs + outputs) * wide + 2 * rows * wide + size * get_num_threads());
        float* turned = memory.Take(inputs * wide), scaled = memory.Take(outputs * wide), thin = memory.Take(rows * wide), slopes = memory.Take(rows * wide), sums = memory.Take(size * get_num_threads());
        Pad(a, 1, inputs, inputs, turned);
        Pad(b, rank, 1, outputs, scaled);
        var (xp, gp, tp, sp, up, vp, to) = ((nint)x, (nint)g, (nint)turned, (nint)scaled, (nint)thin, (nint)slopes, (nint)sums);
        var shares = TensorMemory.InShares(rows, (share, start, count) =>
        {
            float* from = (float*)xp + (nint)start * inputs, slope = (float*)gp + (nint)start * outputs, sum = (float*)to + (nint)share * size;
            float* u = (float*)up + (nint)start * wide, v = (float*)vp + (nint)start * wide;
            TileProducts.Run(from, inputs, 1, (float*)tp, wide, u, wide, count, inputs, wide);
            TileProducts.Run(slope, outputs, 1, (float*)sp, wide, v, wide, count, outputs, wide);
            Thin(v, wide, from, sum, rank, count, inputs);
            Thin(u, wide, slope, sum + rank * inputs, rank, count, outputs);
        });
        for (var share = 1; share < shares; share++) FactoredProduct.AddRow(sums, sums + (nint)share * size, 1, size);
        FactoredProduct.AddRow(ofA, sums, 1, rank * inputs);
        AddTransposed(sums + rank * inputs, ofB);
    }

    // Lᵀ·R for L [rows, rank] and R [rows, columns]. The remaining columns are computed together with some preceding ones, which are computed twice.
    private static void Thin(float* left, int leftRow, float* right, float* to, int rank, int rows, int columns)
    {
        var whole = columns / Lanes * Lanes;
        TileProducts.Run(left, 1, leftRow, right, columns, to, columns, rank, rows, whole);
        if (whole < columns) TileProducts.Run(left, 1, leftRow, right + columns - Lanes, columns, to + columns - Lanes, columns, rank, rows, Lanes);
    }

    // dL/dA = s·Bᵀ·dL/dW and dL/dB = s·dL/dW·Aᵀ, which costs less at high ranks.
    private void ByMatrix(float* x, float* g, float* a, float* b, int rows, float* ofA, float* ofB)
    {
        var (inputs, outputs, wide) = (this.inputs, this.outputs, Wide);
        var size = inputs * outputs;
        using var memory = new Scratch(2 * (inputs + outputs) * wide + size * get_num_threads());
        float* turned = memory.Take(inputs * wide), scaled = memory.Take(outputs * wide), sumA = memory.Take(wide * inputs), sumB = memory.Take(outputs * wide), slopes = memory.Take(size * get_num_threads());   // dL/dW of each thread's rows
        var (xp, gp, sp) = ((nint)x, (nint)g, (nint)slopes);
        var shares = TensorMemory.InShares(rows, (share, start, count) =>
            SmallProduct.Run((float*)gp + (nint)start * outputs, 1, outputs, (float*)xp + (nint)start * inputs, (float*)sp + (nint)share * size, outputs, count, inputs));
        for (var share = 1; share < shares; share++) FactoredProduct.AddRow(slopes, slopes + (nint)share * size, 1, size);
        Pad(a, 1, inputs, inputs, turned);
        Pad(b, rank, 1, outputs, scaled);
        SmallProduct.Run(scaled, 1, wide, slopes, sumA, rank, outputs, inputs);
        SmallProduct.Run(slopes, inputs, 1, turned, sumB, outputs, inputs, wide);
        FactoredProduct.AddRow(ofA, sumA, 1, rank * inputs);
        for (var o = 0; o < outputs; o++) FactoredProduct.AddRow(ofB + o * rank, sumB + o * wide, 1, rank);
    }

    // s·F for a factor F [count, rank], padded with zeros to whole vectors.
    [MethodImpl(JitOptions.Loop)]
    private void Pad(float* from, nint row, nint step, int count, float* to)
    {
        var (rank, wide, factor) = (this.rank, Wide, scale);
        for (var i = 0; i < count; i++, to += wide, from += row)
        {
            var at = from;
            for (var r = 0; r < rank; r++, at += step) to[r] = factor * *at;
            for (var r = rank; r < wide; r++) to[r] = 0;
        }
    }

    // Adds the transpose of [rank, out].
    [MethodImpl(JitOptions.Loop)]
    private void AddTransposed(float* from, float* to)
    {
        var (rank, outputs) = (this.rank, this.outputs);
        for (var o = 0; o < outputs; o++, to += rank)
            for (var r = 0; r < rank; r++) to[r] += from[(nint)r * outputs + o];
    }
}
