using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// float32 matrix products with one operand that is small or thin enough to fit into the L1 cache. BLAS would first copy both operands into another layout,
/// which costs as much as the product.
/// </summary>
internal static unsafe class SmallProduct
{
    /// <summary>Minimum number of columns of a product.</summary>
    public const int MinColumns = 8;

    /// <summary>Computes C = A·B. C must not overlap A or B.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C, at least <see cref="MinColumns"/>.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, float* c, int rows, int depth, int columns) => Run(a, aRow, aStep, b, columns, c, columns, rows, depth, columns, false);

    /// <summary>Computes C = A·B, or C + A·B, for some columns of wider matrices. C must not overlap A or B.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C, at least <see cref="MinColumns"/>.</param>
    /// <param name="add">True to add to C. The number of columns must then be a multiple of <see cref="MinColumns"/>.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, int bRow, float* c, int cRow, int rows, int depth, int columns, bool add)
        => Run(a, aRow, aStep, b, bRow, add ? c : null, c, cRow, rows, depth, columns);

    /// <summary>Computes C = D + A·B for some columns of wider matrices. C must not overlap A or B.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="d">D [rows, columns] with the row stride of C: null for zero, or C itself if the number of columns is a multiple of <see cref="MinColumns"/>.</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C, at least <see cref="MinColumns"/>.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, int bRow, float* d, float* c, int cRow, int rows, int depth, int columns)
    {
        if (!Vector512.IsHardwareAccelerated || columns < SmallProduct16.Lanes)
        {
            SmallProduct8.Run(a, aRow, aStep, b, bRow, d, c, cRow, rows, depth, columns);
            return;
        }
        // When adding in place, remaining columns must not be processed twice.
        var wide = d == c ? columns - columns % SmallProduct16.Lanes : columns;
        SmallProduct16.Run(a, aRow, aStep, b, bRow, d, c, cRow, rows, depth, wide);
        if (wide < columns) SmallProduct8.Run(a, aRow, aStep, b + wide, bRow, d + wide, c + wide, cRow, rows, depth, columns - wide);
    }
}
