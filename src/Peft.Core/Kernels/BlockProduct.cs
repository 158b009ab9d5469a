using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ + b for several rows and a matrix W that is stored by rows. The input lies in blocks of rows, transposed: a vector holds a column of a block, each weight multiplies one such vector, and no sum runs
/// across a vector. W is read once, eight rows at a time, which stay in the first-level cache for all blocks.
/// </summary>
internal static unsafe class BlockProduct
{
    private const int Tile = EightRows.Count;
    private const int Depth = 768;  // columns of W at a time: a tile takes most of the first-level cache

    /// <summary>Length of an input in blocks.</summary>
    public static int Floats(int rows, int inputs) => (rows + Lanes(rows) - 1) / Lanes(rows) * Lanes(rows) * inputs;

    // Rows of a block.
    private static int Lanes(int rows) => rows > 8 && Vector512.IsHardwareAccelerated ? 16 : 8;

    /// <summary>Brings an input into blocks, the last of which is filled up with zeros.</summary>
    /// <param name="x"><c>[rows, inputs]</c></param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of a row.</param>
    /// <param name="to">Takes the blocks, <c>[blocks, inputs, lanes]</c>: <see cref="Floats"/> values.</param>
    public static void Arrange(float* x, int rows, int inputs, float* to)
    {
        var lanes = Lanes(rows);
        for (var row = 0; row < rows; row += lanes) ArrangeBlock(x, rows, inputs, row, lanes, to);
    }

    /// <summary>Brings an input of many rows into blocks, on all threads.</summary>
    /// <inheritdoc cref="Arrange"/>
    public static void ArrangeByThreads(float* x, int rows, int inputs, float* to)
    {
        var (lanes, from, blocks) = (Lanes(rows), (nint)x, (nint)to);
        TensorMemory.Parallel((rows + lanes - 1) / lanes, block => ArrangeBlock((float*)from, rows, inputs, block * lanes, lanes, (float*)blocks));
    }

    // The block that begins with a row.
    [MethodImpl(JitOptions.Loop)]
    private static void ArrangeBlock(float* x, int rows, int inputs, int first, int lanes, float* to)
    {
        to += (nint)first * inputs;
        for (var i = 0; i < lanes; i += 8, to += 8)
        {
            var from = x + (nint)(first + i) * inputs;
            var high = Math.Clamp(rows - first - i, 0, 8);
            nint k = 0;
            if (high == 8)
                for (; k + 8 <= inputs; k += 8) TileProducts.TransposeBlock(from + k, inputs, to + k * lanes, lanes);
            for (; k < inputs; k++)
                for (var row = 0; row < 8; row++) to[k * lanes + row] = row < high ? from[row * inputs + k] : 0;
        }
    }

    /// <summary>A range of outputs.</summary>
    /// <param name="x">The input in blocks (<see cref="Arrange"/>).</param>
    /// <param name="w">W <c>[outputs, inputs]</c>.</param>
    /// <param name="b"><c>[outputs]</c>, or null.</param>
    /// <param name="y">Takes the outputs, <c>[rows, outputs]</c>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of an input.</param>
    /// <param name="outputs">Number of outputs.</param>
    /// <param name="first">The first output.</param>
    /// <param name="count">Number of outputs in the range.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Run(float* x, float* w, float* b, float* y, int rows, int inputs, int outputs, int first, int count)
    {
        var (lanes, end) = (Lanes(rows), first + count);
        var blocks = (rows + lanes - 1) / lanes;
        var deep = (inputs / ((inputs + Depth - 1) / Depth) + 7) / 8 * 8;
        using var scratch = new Scratch(blocks * Tile * lanes);
        var sums = scratch.Memory;
        for (var n = first; n < end; n += Tile)
        {
            var wide = Math.Min(Tile, end - n);
            for (var block = 0; block < blocks; block++)
                for (var i = 0; i < Tile; i++) new Span<float>(sums + (block * Tile + i) * lanes, lanes).Fill(b == null || i >= wide ? 0 : b[n + i]);
            float* at = w + (nint)n * inputs, ahead = at + (nint)Tile * inputs;
            for (var k = 0; k < inputs; k += deep)
            {
                var depth = Math.Min(deep, inputs - k);
                for (var block = 0; block < blocks; block++)
                {
                    float* from = x + ((nint)block * inputs + k) * lanes, to = sums + block * Tile * lanes, next = block == 0 ? ahead + (nint)k * Tile : at + k;   // the next eight rows are fetched once
                    if (wide < Tile)
                        for (var i = 0; i < wide; i++) One(from, at + (nint)i * inputs + k, depth, lanes, to + i * lanes);
                    else if (lanes == 16) EightRows.Sixteen(at + k, inputs, from, 16, to, 16, depth, next, Tile);
                    else EightRows.Eight(at + k, inputs, from, 8, to, 8, depth, next, Tile);
                }
            }
            for (var block = 0; block < blocks; block++)
                Put(sums + block * Tile * lanes, lanes, y + (nint)block * lanes * outputs + n, outputs, Math.Min(lanes, rows - block * lanes), wide);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void One(float* x, float* w, int depth, int lanes, float* sums)
    {
        for (var half = 0; half < lanes; half += 8)
        {
            var sum = Vector256.Load(sums + half);
            for (nint k = 0; k < depth; k++) sum = Vector256.FusedMultiplyAdd(Vector256.Load(x + half + k * lanes), Vector256.Create(w[k]), sum);
            sum.Store(sums + half);
        }
    }

    // From [outputs, lanes] to the rows of y.
    private static void Put(float* sums, int lanes, float* y, nint outputs, int rows, int wide)
    {
        var row = 0;
        if (wide == Tile)
            for (; row + 8 <= rows; row += 8) TileProducts.TransposeBlock(sums + row, lanes, y + row * outputs, outputs);
        for (; row < rows; row++)
            for (var i = 0; i < wide; i++) y[row * outputs + i] = sums[i * lanes + row];
    }
}
