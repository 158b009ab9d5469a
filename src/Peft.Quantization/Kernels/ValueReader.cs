using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Peft.Kernels;
using static TorchSharp.torch;

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

    /// <summary>Reads rows.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="to">Takes them: <c>[rows, columns]</c>, contiguous.</param>
    /// <param name="inShares">True to use all threads. It pays off for more than a megabyte.</param>
    public void Read(long first, Tensor to, bool inShares)
    {
        var (address, rows, columns) = (TensorAddress.Of(to), (int)to.size(0), (int)to.size(1));
        if (inShares) TensorMemory.InShares(rows, (_, start, count) => Read(start, count));
        else Read(0, rows);
        GC.KeepAlive(to);

        void Read(int start, int count)
        {
            for (var row = start; row < start + count; row++) this.Read(first + row, 0, columns, (float*)address + (nint)row * columns);
        }
    }

    /// <summary>Reads rows at given indices.</summary>
    /// <param name="rows">The indices.</param>
    /// <param name="to">Takes the rows: <c>[rows, columns]</c>, contiguous.</param>
    public void Read(ReadOnlySpan<long> rows, Tensor to)
    {
        var (address, columns) = (TensorAddress.Of(to), (int)to.size(1));
        for (var i = 0; i < rows.Length; i++) Read(rows[i], 0, columns, (float*)address + (nint)i * columns);
        GC.KeepAlive(to);
    }

    /// <summary>Reads a part of a row with vectors of a given width.</summary>
    public abstract void Read<T>(long row, int column, int count, float* to) where T : unmanaged, ISixteen<T>;

    /// <summary>True if <see cref="Multiply"/> is implemented for the matrix: rows are multiplied by a single input without being written to memory first.</summary>
    public virtual bool Multiplies => false;

    /// <summary>W·x for some rows of W, with vectors of a given width.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="x">The input, of <see cref="RowProduct.Padded"/> values.</param>
    /// <param name="y">Takes the products <c>[count]</c>.</param>
    public virtual void Multiply<T>(long first, int count, float* x, float* y) where T : unmanaged, ISixteen<T> => throw new NotSupportedException();
}
