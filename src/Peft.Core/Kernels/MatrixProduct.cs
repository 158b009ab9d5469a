using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// float32 products of large matrices. A block of B at a time is copied into panels of three vectors' width, which stay in the L2 cache for all rows of A; A and C stay as they are
/// (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008). torch's BLAS uses half of an AVX-512 register on processors that are not Intel's.
/// </summary>
internal static unsafe class MatrixProduct
{
    private const int Depth = 384, Width = 192;    // rows and columns of a block of B
    private const int MinRows = 8;                 // fewer do not fill a tile

    private static int TileRows => Vector512.IsHardwareAccelerated ? MatrixTile16.Rows : MatrixTile8.Rows;

    private static int PanelColumns => Vector512.IsHardwareAccelerated ? MatrixTile16.Columns : MatrixTile8.Columns;

    /// <summary>True if the processor has the vectors, and the switch is on.</summary>
    public static bool IsSupported => TorchRuntime.Cpu.MatrixProducts && Vector256.IsHardwareAccelerated;

    /// <summary>True if the kernel supports such tensors.</summary>
    /// <param name="x"><c>[…, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c>, stored by rows or by columns.</param>
    /// <param name="inputs">Length of an input.</param>
    public static bool Supports(Tensor x, Tensor weight, long inputs)
        => IsSupported && TensorMemory.Supports(x, weight) && x.numel() is var count && count > 0 && count >= MinRows * inputs && x.size(-1) == inputs
           && weight.dim() == 2 && weight.size(1) == inputs && weight.size(0) > 0 && (weight.stride(0) == 1 || weight.stride(1) == 1);

    /// <summary>Computes x·Wᵀ + b.</summary>
    /// <param name="x"><c>[…, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c>, stored by rows or by columns.</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <returns><c>[…, out]</c></returns>
    /// <param name="isTemporary">True if the result goes to <see cref="TemporaryTensors.Return"/>.</param>
    public static Tensor Run(Tensor x, Tensor weight, Tensor? bias, bool isTemporary = false)
    {
        var shape = x.shape;
        shape[^1] = weight.size(0);
        var output = TemporaryTensors.Empty(shape, isTemporary);
        using var added = bias?.contiguous();
        var dense = x.AsContiguous();
        Run(dense, x.size(-1), weight, added, output, shape[^1], add: false);
        if (!ReferenceEquals(dense, x)) dense.Dispose();
        return output;
    }

    /// <summary>Computes C = x·Wᵀ, or C + x·Wᵀ, for matrices whose rows are contiguous.</summary>
    /// <param name="x"><c>[rows, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c>, stored by rows or by columns.</param>
    /// <param name="output">C <c>[rows, out]</c></param>
    /// <param name="add">True to add to C.</param>
    public static void RunInto(Tensor x, Tensor weight, Tensor output, bool add) => Run(x, x.stride(0), weight, null, output, output.stride(0), add);

    /// <summary>Computes gᵀ·x: the gradient of W.</summary>
    /// <param name="gradient">g <c>[…, out]</c>, contiguous.</param>
    /// <param name="x"><c>[…, in]</c>, contiguous.</param>
    /// <returns><c>[out, in]</c></returns>
    public static Tensor OfRows(Tensor gradient, Tensor x)
    {
        var (outputs, inputs) = ((int)gradient.size(-1), (int)x.size(-1));
        var rows = (int)(x.numel() / inputs);
        var result = empty([outputs, inputs], ScalarType.Float32);
        var (a, b, c) = (TensorAddress.Of(gradient), TensorAddress.Of(x), TensorAddress.Of(result));
        InColumns(inputs, (first, count) => Run((float*)a, 1, outputs, (float*)b + first, inputs, 1, null, (float*)c + first, inputs, outputs, rows, count, false));
        GC.KeepAlive(gradient);
        GC.KeepAlive(x);
        return result;
    }

    private static void Run(Tensor x, long xRow, Tensor weight, Tensor? bias, Tensor output, long outputRow, bool add)
    {
        var (depth, columns) = ((int)weight.size(1), (int)weight.size(0));
        var rows = (int)(x.numel() / depth);
        var (row, step) = ((nint)weight.stride(1), (nint)weight.stride(0));
        var (a, b, c, d) = (TensorAddress.Of(x), TensorAddress.Of(weight), TensorAddress.Of(output), bias is null ? 0 : TensorAddress.Of(bias));
        InColumns(columns, (first, count) => Run((float*)a, (nint)xRow, 1, (float*)b + first * step, row, step, d == 0 ? null : (float*)d + first, (float*)c + first, (nint)outputRow, rows, depth, count, add));
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
        GC.KeepAlive(bias);
        GC.KeepAlive(output);
    }

    // On all threads.
    private static void InColumns(int columns, Action<int, int> part)
    {
        if (get_num_threads() == 1) part(0, columns);
        else TensorMemory.InRanges(columns, PanelColumns, part);
    }

    /// <summary>Computes C = A·B + d, or C + A·B, on the calling thread.</summary>
    /// <param name="a">A <c>[rows, depth]</c>.</param>
    /// <param name="aRow">Row stride of A; 1 unless <paramref name="aStep"/> is.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B <c>[depth, columns]</c>.</param>
    /// <param name="bRow">Row stride of B; 1 unless <paramref name="bStep"/> is.</param>
    /// <param name="bStep">Stride between the elements of a row of B.</param>
    /// <param name="d">A row <c>[columns]</c> that is added to all rows; null for zeros, and when adding to C.</param>
    /// <param name="c">C <c>[rows, columns]</c>.</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C.</param>
    /// <param name="add">True to add to C.</param>
    public static void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, nint bStep, float* d, float* c, nint cRow, int rows, int depth, int columns, bool add)
    {
        var (tile, wide) = (TileRows, PanelColumns);
        var deep = Even(depth, Depth, 8);
        var broad = Even(columns, Width, wide);
        using var scratch = new Scratch(deep * broad + tile * (deep + wide));
        var panels = scratch.Take(deep * broad);
        var edge = new Edge(scratch.Take(tile * deep), scratch.Take(tile * wide));
        for (var k = 0; k < depth; k += deep)
        {
            var some = Math.Min(deep, depth - k);
            for (var n = 0; n < columns; n += broad)
            {
                var count = Math.Min(broad, columns - n);
                MatrixPanels.Copy(b + k * bRow + n * bStep, bRow, bStep, some, count, wide, panels);
                var (nextK, nextN) = n + broad < columns ? (k, n + broad) : (k + deep, 0);
                for (var row = 0; row < rows; row += tile)
                {
                    var height = Math.Min(tile, rows - row);
                    float* from = a + row * aRow + k * aStep, to = c + row * cRow + n;
                    var copies = height < tile || aStep != 1;
                    if (copies) edge.Copy(from, aRow, aStep, height, some);
                    if (k == 0 && d != null)
                        for (var i = 0; i < height; i++) new ReadOnlySpan<float>(d + n, count).CopyTo(new Span<float>(to + i * cRow, count));
                    MatrixPanels.Fetch(b + nextK * bRow + nextN * bStep, bRow, bStep, Math.Min(deep, depth - nextK), Math.Min(broad, columns - nextN), row / tile, (rows + tile - 1) / tile);
                    Tiles(copies ? edge.Rows : from, copies ? some : aRow, panels, to, cRow, height, some, count, add || k > 0 || d != null, edge);
                }
            }
        }
    }

    // The length of the chunks of a range, all nearly equal and multiples of a unit.
    private static int Even(int length, int most, int unit) => ((length + (length + most - 1) / most - 1) / ((length + most - 1) / most) + unit - 1) / unit * unit;

    // The tiles of some rows: as many as a tile has, or the last ones, with zeros below.
    private static void Tiles(float* a, nint aRow, float* panels, float* c, nint cRow, int rows, int depth, int columns, bool add, Edge edge)
    {
        var (tile, wide) = (TileRows, PanelColumns);
        for (var n = 0; n < columns; n += wide, panels += (nint)depth * wide)
        {
            var count = Math.Min(wide, columns - n);
            if (rows == tile && count == wide)
            {
                Tile(a, aRow, panels, c + n, cRow, depth, add);
                continue;
            }
            Tile(a, aRow, panels, edge.Tile, wide, depth, false);
            edge.Give(c + n, cRow, rows, count, wide, add);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile(float* a, nint aRow, float* b, float* c, nint cRow, int depth, bool add)
    {
        if (Vector512.IsHardwareAccelerated) MatrixTile16.Run(a, aRow, 1, b, MatrixTile16.Columns, c, cRow, depth, add);
        else MatrixTile8.Run(a, aRow, b, c, cRow, depth, add);
    }

    // Memory for rows of A that are not contiguous or that lack, and for a tile of C that is not whole.
    private readonly struct Edge(float* rows, float* tile)
    {
        public readonly float* Rows = rows, Tile = tile;

        // Copies rows of A, and zeros for those that a tile lacks.
        public void Copy(float* a, nint aRow, nint aStep, int rows, int depth)
        {
            if (rows < TileRows) new Span<float>(Rows + (nint)rows * depth, (TileRows - rows) * depth).Clear();
            if (aStep == 1)
                for (var i = 0; i < rows; i++) new ReadOnlySpan<float>(a + i * aRow, depth).CopyTo(new Span<float>(Rows + (nint)i * depth, depth));
            else MatrixPanels.Transpose(a, aStep, rows, depth, Rows);
        }

        public void Give(float* c, nint cRow, int rows, int columns, int wide, bool add)
        {
            for (var i = 0; i < rows; i++, c += cRow)
                for (var n = 0; n < columns; n++) c[n] = add ? c[n] + Tile[i * wide + n] : Tile[i * wide + n];
        }
    }
}
