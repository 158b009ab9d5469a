using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// float32 products of large matrices. A block of B at a time is copied into panels of two or three vectors' width, which stay in the L2 cache for all rows of A; A and C stay as they are
/// (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008). torch's BLAS uses half of an AVX-512 register on processors that are not Intel's.
/// </summary>
internal static unsafe class MatrixProduct
{
    private const int Depth = 384, Width = 192;    // rows and columns of a block of B
    private const int MinRows = 8;                 // fewer do not fill a tile
    private const int TransposedRows = 8;          // of A at a time
    private const int MaxTurned = 1 << 21;         // values of a transposed A at a time

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
    /// <param name="update">A low-rank update that is added.</param>
    /// <param name="residual">A tensor <c>[…, out]</c> that is added, contiguous; null for none.</param>
    public static Tensor Run(Tensor x, Tensor weight, Tensor? bias, ThinProduct update = default, Tensor? residual = null)
    {
        var shape = x.Sizes();
        shape[^1] = weight.size(0);
        var output = CachingAllocator.Empty(shape);
        using var added = bias?.contiguous();
        var dense = x.AsContiguous();
        Run(dense, x.size(-1), weight, added, output, shape[^1], add: false, update, residual);
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
    /// <param name="result">Address of the result <c>[out, in]</c>.</param>
    /// <param name="add">True to add to it.</param>
    public static void OfRows(Tensor gradient, Tensor x, nint result, bool add)
    {
        var (outputs, inputs) = ((int)gradient.size(-1), (int)x.size(-1));
        var rows = (int)(x.numel() / inputs);
        var (a, b) = (TensorAddress.Of(gradient), TensorAddress.Of(x));
        // Transposed once for all columns.
        var block = Math.Min(outputs, Math.Max(MaxTurned / rows / TransposedRows, 1) * TransposedRows);
        using var turned = CachingAllocator.Empty(block, rows);
        var t = TensorAddress.Of(turned);
        for (var start = 0; start < outputs; start += block)
        {
            var (from, to, height) = ((nint)((float*)a + start), (nint)((float*)result + (nint)start * inputs), Math.Min(block, outputs - start));
            TensorMemory.InRanges(height, TransposedRows, (first, count) => MatrixPanels.Transpose((float*)from + first, outputs, count, rows, (float*)t + (nint)first * rows));
            InColumns(inputs, (first, count) => Run((float*)t, rows, (float*)b + first, inputs, 1, null, (float*)to + first, inputs, height, rows, count, add));
        }
        GC.KeepAlive(gradient);
        GC.KeepAlive(x);
    }

    private static void Run(Tensor x, long xRow, Tensor weight, Tensor? bias, Tensor output, long outputRow, bool add, ThinProduct update = default, Tensor? residual = null)
    {
        var (depth, columns) = ((int)weight.size(1), (int)weight.size(0));
        var rows = (int)(x.numel() / depth);
        var (row, step) = ((nint)weight.stride(1), (nint)weight.stride(0));
        var (a, b, c, d, e) = (TensorAddress.Of(x), TensorAddress.Of(weight), TensorAddress.Of(output), bias is null ? 0 : TensorAddress.Of(bias), residual is null ? 0 : TensorAddress.Of(residual));
        InColumns(columns, (first, count) => Run((float*)a, (nint)xRow, (float*)b + first * step, row, step, d == 0 ? null : (float*)d + first, (float*)c + first, (nint)outputRow, rows, depth, count, add, update.From(first), e == 0 ? null : (float*)e + first));
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
        GC.KeepAlive(bias);
        GC.KeepAlive(residual);
        GC.KeepAlive(output);
    }

    // On all threads.
    private static void InColumns(int columns, Action<int, int> part)
    {
        if (get_num_threads() == 1) part(0, columns);
        else TensorMemory.InRanges(columns, PanelColumns, part);
    }

    /// <summary>Computes C = A·B + d + E, or C + A·B + E, on the calling thread.</summary>
    /// <param name="a">A <c>[rows, depth]</c>.</param>
    /// <param name="aRow">Row stride of A.</param>
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
    /// <param name="update">A low-rank update that is added.</param>
    /// <param name="e">E <c>[rows, columns]</c> with C's row stride; null for zeros.</param>
    public static void Run(float* a, nint aRow, float* b, nint bRow, nint bStep, float* d, float* c, nint cRow, int rows, int depth, int columns, bool add, ThinProduct update = default, float* e = null)
    {
        var (tile, wide) = (TileRows, PanelColumns);
        var deep = Even(depth, Depth, 8);
        var broad = Even(columns, Width, wide);
        var longest = Math.Max(deep, update.Rank);
        using var scratch = new Scratch((deep + update.Rank) * broad + tile * (longest + wide));
        float* panels = scratch.Take(deep * broad), updatePanels = scratch.Take(update.Rank * broad);
        var edge = new Edge(scratch.Take(tile * longest), scratch.Take(tile * wide));
        for (var k = 0; k < depth; k += deep)
        {
            var some = Math.Min(deep, depth - k);
            for (var n = 0; n < columns; n += broad)
            {
                var count = Math.Min(broad, columns - n);
                MatrixPanels.Copy(b + k * bRow + n * bStep, bRow, bStep, some, count, wide, panels);
                if (k + deep >= depth && update.Rank > 0) update.CopyPanels(n, count, wide, updatePanels);
                var (nextK, nextN) = n + broad < columns ? (k, n + broad) : (k + deep, 0);
                for (var row = 0; row < rows; row += tile)
                {
                    var height = Math.Min(tile, rows - row);
                    float* from = a + row * aRow + k, to = c + row * cRow + n;
                    var copies = height < tile;
                    if (copies) edge.Copy(from, aRow, height, some);
                    MatrixPanels.Fetch(b + nextK * bRow + nextN * bStep, bRow, bStep, Math.Min(deep, depth - nextK), Math.Min(broad, columns - nextN), row / tile, (rows + tile - 1) / tile);
                    var adds = add || k > 0;
                    Tiles(copies ? edge.Rows : from, copies ? some : aRow, panels, adds ? to : d == null ? null : d + n, adds ? cRow : 0, to, cRow, height, some, count, edge);
                    if (k + deep < depth) continue;
                    // While the tiles are in the L1 cache.
                    if (update.Rank > 0)
                    {
                        var thin = update.Left + row * update.LeftRow;
                        if (copies) edge.Copy(thin, update.LeftRow, height, update.Rank);
                        Tiles(copies ? edge.Rows : thin, copies ? update.Rank : update.LeftRow, updatePanels, to, cRow, to, cRow, height, update.Rank, count, edge);
                    }
                    if (e != null) Add(e + row * cRow + n, to, cRow, height, count);
                }
            }
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Add(float* from, float* to, nint row, int rows, int columns)
    {
        for (; rows > 0; rows--, from += row, to += row)
        {
            var i = 0;
            for (; i + 8 <= columns; i += 8) (Vector256.Load(to + i) + Vector256.Load(from + i)).Store(to + i);
            for (; i < columns; i++) to[i] += from[i];
        }
    }

    // The length of the chunks of a range, all nearly equal and multiples of a unit.
    private static int Even(int length, int most, int unit) => ((length + (length + most - 1) / most - 1) / ((length + most - 1) / most) + unit - 1) / unit * unit;

    // The tiles of some rows: as many as a tile has, or the last ones, with zeros below.
    private static void Tiles(float* a, nint aRow, float* panels, float* d, nint dRow, float* c, nint cRow, int rows, int depth, int columns, Edge edge)
    {
        var (tile, wide) = (TileRows, PanelColumns);
        for (var n = 0; n < columns; n += wide, panels += (nint)depth * wide)
        {
            var count = Math.Min(wide, columns - n);
            var sums = d == null ? null : d + n;
            if (rows == tile && count == wide)
            {
                Tile(a, aRow, panels, sums, dRow, c + n, cRow, depth);
                continue;
            }
            Tile(a, aRow, panels, null, 0, edge.Tile, wide, depth);
            edge.Give(sums, dRow, c + n, cRow, rows, count, wide);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile(float* a, nint aRow, float* b, float* d, nint dRow, float* c, nint cRow, int depth)
    {
        if (Vector512.IsHardwareAccelerated) MatrixTile16.Run(a, aRow, 1, b, MatrixTile16.Columns, d, dRow, c, cRow, depth);
        else TileLoop.Run<MatrixTile8>(a, aRow, 1, b, MatrixTile8.Columns, d, dRow, c, cRow, depth);
    }

    // Memory for the last rows of A, if they do not fill a tile, and for a tile of C that is not whole.
    private readonly struct Edge(float* rows, float* tile)
    {
        public readonly float* Rows = rows, Tile = tile;

        // Copies rows of A, and zeros for those that a tile lacks.
        public void Copy(float* a, nint aRow, int rows, int depth)
        {
            new Span<float>(Rows + (nint)rows * depth, (TileRows - rows) * depth).Clear();
            for (var i = 0; i < rows; i++) new ReadOnlySpan<float>(a + i * aRow, depth).CopyTo(new Span<float>(Rows + (nint)i * depth, depth));
        }

        // C = D + the tile.
        public void Give(float* d, nint dRow, float* c, nint cRow, int rows, int columns, int wide)
        {
            for (var i = 0; i < rows; i++, c += cRow, d += dRow)
                for (var n = 0; n < columns; n++) c[n] = d == null ? Tile[i * wide + n] : d[n] + Tile[i * wide + n];
        }
    }
}
