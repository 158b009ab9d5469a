using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Copies of transposed matrices on the CPU, on all threads. torch uses one, and it takes longer than quantizing the copy.</summary>
internal static unsafe class Transposition
{
    private const int Block = 8;

    /// <summary>The matrix, contiguous: itself if it is.</summary>
    public static Tensor Contiguous(Tensor matrix)
    {
        var (rows, columns) = (matrix.size(0), matrix.size(1));
        if (matrix.dtype != ScalarType.Float32 || matrix.device_type != DeviceType.CPU || rows % Block != 0 || columns % Block != 0 || matrix.stride(0) != 1 || matrix.stride(1) != rows) return matrix.contiguous();
        var copy = empty(rows, columns, ScalarType.Float32);
        var (from, to) = (TensorAddress.Of(matrix), TensorAddress.Of(copy));
        TensorMemory.InShares((int)(rows / Block), (_, first, count) =>
        {
            for (var row = (nint)first * Block; row < (nint)(first + count) * Block; row += Block)
                for (nint column = 0; column < columns; column += Block)
                    TileProducts.TransposeBlock((float*)from + column * (nint)rows + row, (nint)rows, (float*)to + row * (nint)columns + column, (nint)columns);
        });
        GC.KeepAlive((matrix, copy));
        return copy;
    }
}
