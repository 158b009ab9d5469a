using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Peft.Quantization.Kernels;

/// <summary>
/// Dequantizes parts of rows into memory, on the CPU in float32: the values are those of <see cref="QuantizedMatrix.Dequantize()"/>, bit for bit. A reader holds addresses of
/// the matrix' tensors: it must not outlive the call that uses it.
/// </summary>
internal abstract unsafe class ValueReader
{
    /// <summary>Parts of rows start at multiples of this.</summary>
    public const int Step = 256;

    /// <summary>Reads a part of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="column">The first column, a multiple of <see cref="Step"/>.</param>
    /// <param name="count">Number of columns: a multiple of <see cref="Step"/>, or up to the end of the row.</param>
    /// <param name="to">Where the values go.</param>
    public void Read(long row, int column, int count, float* to)
    {
        if (Vector512.IsHardwareAccelerated && Avx512F.IsSupported) Read<Sixteen512>(row, column, count, to);
        else if (Avx2.IsSupported) Read<Sixteen256>(row, column, count, to);
        else Read<Sixteen128>(row, column, count, to);
    }

    /// <summary>Reads a part of a row with vectors of a given width.</summary>
    public abstract void Read<T>(long row, int column, int count, float* to) where T : unmanaged, ISixteen<T>;
}
