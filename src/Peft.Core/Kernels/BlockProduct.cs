using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ + b for several rows and a matrix W that is stored by rows. The input lies in blocks of rows, transposed: a vector holds a column of a block, each weight multiplies one such vector, and no sum runs
/// across a vector. W is read once, eight rows at a time, which stay in the first-level cache for all blocks.
/// </summary>
internal static unsafe class BlockProduct
{
    private const int Fewest = 5;   // fewer rows leave most of a vector empty
    private const int Tile = 8;     // rows of W at a time: independent sums hide the latency
    private const int Depth = 768;  // columns of W at a time: a tile takes most of the first-level cache

    /// <summary>True if the kernel is the right one for a number of rows.</summary>
    public static bool Takes(int rows) => rows >= Fewest;

    /// <summary>Length of an input in blocks.</summary>
    public static int Floats(int rows, int inputs) => (rows + Lanes(rows) - 1) / Lanes(rows) * Lanes(rows) * inputs;

    // Rows of a block.
    private static int Lanes(int rows) => rows > 8 && Vector512.IsHardwareAccelerated ? 16 : 8;

    /// <summary>Brings an input into blocks, the last of which is filled up with zeros.</summary>
    /// <param name="x"><c>[rows, inputs]</c></param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of a row, a multiple of 8.</param>
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
            if (high == 8)
                for (nint k = 0; k < inputs; k += 8) TileProducts.TransposeBlock(from + k, inputs, to + k * lanes, lanes);
            else
                for (nint k = 0; k < inputs; k++)
                    for (var row = 0; row < 8; row++) to[k * lanes + row] = row < high ? from[row * inputs + k] : 0;
        }
    }

    /// <summary>A range of outputs.</summary>
    /// <param name="x">The input in blocks (<see cref="Arrange"/>).</param>
    /// <param name="w">W <c>[outputs, inputs]</c>.</param>
    /// <param name="b"><c>[outputs]</c>, or null.</param>
    /// <param name="y">Takes the outputs, <c>[rows, outputs]</c>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of an input, a multiple of 8.</param>
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
                    float* from = x + ((nint)block * inputs + k) * lanes, to = sums + block * Tile * lanes;
                    if (wide < Tile)
                        for (var i = 0; i < wide; i++) One(from, at + (nint)i * inputs + k, depth, lanes, to + i * lanes);
                    else if (lanes == 16) Sixteen(from, at + k, inputs, depth, block == 0 ? ahead + (nint)k * Tile : at + k, to);
                    else Eight(from, at + k, inputs, depth, block == 0 ? ahead + (nint)k * Tile : at + k, to);
                }
            }
            for (var block = 0; block < blocks; block++)
                Put(sums + block * Tile * lanes, lanes, y + (nint)block * lanes * outputs + n, outputs, Math.Min(lanes, rows - block * lanes), wide);
        }
    }

    // Adds to the sums of eight outputs for a block of 16 rows. Meanwhile, the next eight rows of W are fetched.
    [MethodImpl(JitOptions.Loop)]
    private static void Sixteen(float* x, float* w, nint inputs, int depth, float* ahead, float* sums)
    {
        Vector512<float> s0 = Vector512.Load(sums), s1 = Vector512.Load(sums + 16), s2 = Vector512.Load(sums + 32), s3 = Vector512.Load(sums + 48);
        Vector512<float> s4 = Vector512.Load(sums + 64), s5 = Vector512.Load(sums + 80), s6 = Vector512.Load(sums + 96), s7 = Vector512.Load(sums + 112);
        var twice = 2 * inputs;
        float* w3 = w + 3 * inputs, w6 = w3 + 3 * inputs;
        for (var end = w + depth; w < end; w++, w3++, w6++, x += 16, ahead += Tile)
        {
            Prefetch.Far(ahead);
            var column = Vector512.Load(x);
            s0 = Vector512.FusedMultiplyAdd(column, Vector512.Create(*w), s0);
            s1 = Vector512.FusedMultiplyAdd(column, Vector512.Create(w[inputs]), s1);
            s2 = Vector512.FusedMultiplyAdd(column, Vector512.Create(w[twice]), s2);
            s3 = Vector512.FusedMultiplyAdd(column, Vector512.Create(*w3), s3);
            s4 = Vector512.FusedMultiplyAdd(column, Vector512.Create(w3[inputs]), s4);
            s5 = Vector512.FusedMultiplyAdd(column, Vector512.Create(w3[twice]), s5);
            s6 = Vector512.FusedMultiplyAdd(column, Vector512.Create(*w6), s6);
            s7 = Vector512.FusedMultiplyAdd(column, Vector512.Create(w6[inputs]), s7);
        }
        s0.Store(sums);
        s1.Store(sums + 16);
        s2.Store(sums + 32);
        s3.Store(sums + 48);
        s4.Store(sums + 64);
        s5.Store(sums + 80);
        s6.Store(sums + 96);
        s7.Store(sums + 112);
    }

    // The same for a block of 8 rows.
    [MethodImpl(JitOptions.Loop)]
    private static void Eight(float* x, float* w, nint inputs, int depth, float* ahead, float* sums)
    {
        Vector256<float> s0 = Vector256.Load(sums), s1 = Vector256.Load(sums + 8), s2 = Vector256.Load(sums + 16), s3 = Vector256.Load(sums + 24);
        Vector256<float> s4 = Vector256.Load(sums + 32), s5 = Vector256.Load(sums + 40), s6 = Vector256.Load(sums + 48), s7 = Vector256.Load(sums + 56);
        var twice = 2 * inputs;
        float* w3 = w + 3 * inputs, w6 = w3 + 3 * inputs;
        for (var end = w + depth; w < end; w++, w3++, w6++, x += 8, ahead += Tile)
        {
            Prefetch.Far(ahead);
            var column = Vector256.Load(x);
            s0 = Vector256.FusedMultiplyAdd(column, Vector256.Create(*w), s0);
            s1 = Vector256.FusedMultiplyAdd(column, Vector256.Create(w[inputs]), s1);
            s2 = Vector256.FusedMultiplyAdd(column, Vector256.Create(w[twice]), s2);
            s3 = Vector256.FusedMultiplyAdd(column, Vector256.Create(*w3), s3);
            s4 = Vector256.FusedMultiplyAdd(column, Vector256.Create(w3[inputs]), s4);
            s5 = Vector256.FusedMultiplyAdd(column, Vector256.Create(w3[twice]), s5);
            s6 = Vector256.FusedMultiplyAdd(column, Vector256.Create(*w6), s6);
            s7 = Vector256.FusedMultiplyAdd(column, Vector256.Create(w6[inputs]), s7);
        }
        s0.Store(sums);
        s1.Store(sums + 8);
        s2.Store(sums + 16);
        s3.Store(sums + 24);
        s4.Store(sums + 32);
        s5.Store(sums + 40);
        s6.Store(sums + 48);
        s7.Store(sums + 56);
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
