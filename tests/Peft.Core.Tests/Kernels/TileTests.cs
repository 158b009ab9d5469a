using Peft.Kernels;

namespace Peft.Core.Tests.Kernels;

public unsafe class TileTests
{
    public static TheoryData<string, int> Tiles => new() { { "matrix", 1 }, { "matrix", 3 }, { "column", 1 }, { "column", 2 }, { "four", 1 }, { "four", 3 } };

    // A by rows, by columns, and with both strides; depths with and without a remainder of four.
    [Theory, MemberData(nameof(Tiles))]
    public void A_tile_is_the_product_for_all_strides(string kind, int tiles)
    {
        var (height, width) = kind switch { "matrix" => (MatrixTile8.Rows, MatrixTile8.Columns), "column" => (ColumnTile8.Rows, ColumnTile8.Columns), _ => (FourRowTile8.Rows, FourRowTile8.Columns) };
        var rows = height * tiles;
        foreach (var depth in new[] { 1, 3, 4, 5, 8, 23 })
            foreach (var (aRow, aStep) in new[] { (depth + 2, 1), (1, rows + 3), (2, 2 * rows + 1) })
                foreach (var added in new[] { "none", "itself", "another", "a row" })
                {
                    var random = new Random(depth);
                    float[] Drawn(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
                    var (bRow, cRow) = (width + 5, width + 1);
                    var (a, b, c, d) = (Drawn(rows * aRow + depth * aStep), Drawn(depth * bRow + width), Drawn(rows * cRow), Drawn(rows * cRow));
                    var before = added == "itself" ? (float[])c.Clone() : d;
                    var dRow = added == "a row" ? 0 : cRow;

                    fixed (float* pa = a, pb = b, pc = c, pd = d)
                    {
                        var from = added switch { "none" => null, "itself" => pc, _ => pd };
                        if (kind == "matrix") TileLoop.Run<MatrixTile8>(pa, aRow, aStep, pb, bRow, from, dRow, pc, cRow, depth, tiles);
                        else if (kind == "column") TileLoop.Run<ColumnTile8>(pa, aRow, aStep, pb, bRow, from, dRow, pc, cRow, depth, tiles);
                        else TileLoop.Run<FourRowTile8>(pa, aRow, aStep, pb, bRow, from, dRow, pc, cRow, depth, tiles);
                    }

                    for (var row = 0; row < rows; row++)
                        for (var column = 0; column < width; column++)
                        {
                            var sum = added == "none" ? 0.0 : before[row * dRow + column];
                            for (var k = 0; k < depth; k++) sum += (double)a[row * aRow + k * aStep] * b[k * bRow + column];
                            ((double)c[row * cRow + column]).ShouldBe(sum, 2e-6);
                        }
                }
    }

    [Fact]
    public void Products_of_any_number_of_rows_and_columns_are_those_of_float64()
    {
        foreach (var rows in Enumerable.Range(1, 27))
            foreach (var columns in new[] { 8, 16, 24, 40, 64, 72, 112 })
                foreach (var byColumns in new[] { false, true })
                    foreach (var add in new[] { false, true })
                    {
                        const int Depth = 11;
                        var random = new Random(rows);
                        float[] Drawn(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
                        var (a, b, c) = (Drawn(rows * Depth), Drawn(Depth * columns), Drawn(rows * columns));
                        var (aRow, aStep) = byColumns ? (1, rows) : (Depth, 1);
                        var (before, other) = ((float[])c.Clone(), (float[])c.Clone());

                        fixed (float* pa = a, pb = b, pc = c, po = other)
                        {
                            TileProducts.Run(pa, aRow, aStep, pb, columns, pc, columns, rows, Depth, columns, add);
                            SmallProduct8.Run(pa, aRow, aStep, pb, columns, add ? po : null, po, columns, rows, Depth, columns);
                        }

                        for (var row = 0; row < rows; row++)
                            for (var column = 0; column < columns; column++)
                            {
                                var sum = add ? before[row * columns + column] : 0.0;
                                for (var k = 0; k < Depth; k++) sum += (double)a[row * aRow + k * aStep] * b[k * columns + column];
                                ((double)c[row * columns + column]).ShouldBe(sum, 2e-6);
                                ((double)other[row * columns + column]).ShouldBe(sum, 2e-6);
                            }
                    }
    }
}
