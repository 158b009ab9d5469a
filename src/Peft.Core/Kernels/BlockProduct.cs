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
    [MethodImpl(JitOptions.Loop)]
    public static void Arrange(float* x, int rows, int inputs, float* to)
    {
        var lanes = Lanes(rows);
        for (var row = 0; row < Floats(rows, 1); row += 8)
        {
            float* from = x + (nint)row * inputs, block = to + (nint)(row / lanes) * lanes * inputs + row % lanes;
            if (row + 8 <= rows)
            {
                for (var k = 0; k < inputs; k += 8) TileProducts.TransposeBlock(from + k, inputs, block + (nint)k * lanes, lanes);
                continue;
            }
            for (nint k = 0; k < inputs; k++)
                for (var i = 0; i < 8; i++) block[k * lanes + i] = row + i < rows ? from[i * inputs + k] : 0;
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
        var sums = stackalloc float[Tile * 16];
        for (var n = first; n < end; n += Tile)
        {
            var wide = Math.Min(Tile, end - n);
            var bias = b == null ? null : b + n;
            float* at = w + (nint)n * inputs, ahead = at + (nint)Tile * inputs;
            for (var row = 0; row < rows; row += lanes)
            {
                var block = x + (nint)row * inputs;
                if (wide < Tile)
                    for (var i = 0; i < wide; i++) One(block, at + (nint)i * inputs, bias == null ? 0 : bias[i], inputs, lanes, sums + i * lanes);
                else if (lanes == 16) Sixteen(block, at, bias, inputs, ahead, sums);
                else Eight(block, at, bias, inputs, ahead, sums);
                Put(sums, lanes, y + (nint)row * outputs + n, outputs, Math.Min(lanes, rows - row), wide);
                ahead = at;   // already fetched
            }
        }
    }

    // The sums of eight outputs for a block of 16 rows. Meanwhile, the next eight rows of W are fetched.
    [MethodImpl(JitOptions.Loop)]
    private static void Sixteen(float* x, float* w, float* bias, nint inputs, float* ahead, float* to)
    {
        Vector512<float> s0 = Bias16(bias, 0), s1 = Bias16(bias, 1), s2 = Bias16(bias, 2), s3 = Bias16(bias, 3);
        Vector512<float> s4 = Bias16(bias, 4), s5 = Bias16(bias, 5), s6 = Bias16(bias, 6), s7 = Bias16(bias, 7);
        var twice = 2 * inputs;
        float* w3 = w + 3 * inputs, w6 = w3 + 3 * inputs;
        for (var end = w + inputs; w < end; w++, w3++, w6++, x += 16, ahead += Tile)
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
        s0.Store(to);
        s1.Store(to + 16);
        s2.Store(to + 32);
        s3.Store(to + 48);
        s4.Store(to + 64);
        s5.Store(to + 80);
        s6.Store(to + 96);
        s7.Store(to + 112);
    }

    // The same for a block of 8 rows.
    [MethodImpl(JitOptions.Loop)]
    private static void Eight(float* x, float* w, float* bias, nint inputs, float* ahead, float* to)
    {
        Vector256<float> s0 = Bias8(bias, 0), s1 = Bias8(bias, 1), s2 = Bias8(bias, 2), s3 = Bias8(bias, 3);
        Vector256<float> s4 = Bias8(bias, 4), s5 = Bias8(bias, 5), s6 = Bias8(bias, 6), s7 = Bias8(bias, 7);
        var twice = 2 * inputs;
        float* w3 = w + 3 * inputs, w6 = w3 + 3 * inputs;
        for (var end = w + inputs; w < end; w++, w3++, w6++, x += 8, ahead += Tile)
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
        s0.Store(to);
        s1.Store(to + 8);
        s2.Store(to + 16);
        s3.Store(to + 24);
        s4.Store(to + 32);
        s5.Store(to + 40);
        s6.Store(to + 48);
        s7.Store(to + 56);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void One(float* x, float* w, float bias, nint inputs, int lanes, float* to)
    {
        for (var half = 0; half < lanes; half += 8)
        {
            var sum = Vector256.Create(bias);
            for (nint k = 0; k < inputs; k++) sum = Vector256.FusedMultiplyAdd(Vector256.Load(x + half + k * lanes), Vector256.Create(w[k]), sum);
            sum.Store(to + half);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Bias16(float* bias, int i) => bias == null ? default : Vector512.Create(bias[i]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Bias8(float* bias, int i) => bias == null ? default : Vector256.Create(bias[i]);

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
