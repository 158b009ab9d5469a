using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Peft.Kernels;
using Peft.Quantization.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>The vector widths that this processor has.</summary>
internal static unsafe class Widths
{
    /// <summary>Reads a whole matrix, by width in bits.</summary>
    public static IEnumerable<(int Bits, Func<QuantizedMatrix, Tensor> Read)> All
    {
        get
        {
            yield return (128, Read<Sixteen128>);
            if (Avx2.IsSupported) yield return (256, Read<Sixteen256>);
            if (Vector512.IsHardwareAccelerated) yield return (512, Read<Sixteen512>);
        }
    }

    /// <summary>Multiplies rows <c>[rows, in]</c>, by width in bits.</summary>
    public static IEnumerable<(int Bits, Func<QuantizedMatrix, Tensor, Tensor> Multiply)> Products
    {
        get
        {
            yield return (128, Multiply<Sixteen128>);
            if (Avx2.IsSupported) yield return (256, Multiply<Sixteen256>);
            if (Vector512.IsHardwareAccelerated) yield return (512, Multiply<Sixteen512>);
        }
    }

    private static Tensor Read<T>(QuantizedMatrix matrix) where T : unmanaged, ISixteen<T>
    {
        var values = new float[matrix.Rows * matrix.Columns];
        var reader = matrix.OpenReader()!;
        fixed (float* to = values)
            for (var row = 0; row < matrix.Rows; row++)
                for (var column = 0; column < matrix.Columns; column += ValueReader.Step)   // the shortest parts that there are
                    reader.Read<T>(row, column, (int)Math.Min(ValueReader.Step, matrix.Columns - column), to + row * matrix.Columns + column);
        GC.KeepAlive(matrix);
        return tensor(values).view(matrix.Rows, matrix.Columns);
    }

    private static Tensor Multiply<T>(QuantizedMatrix matrix, Tensor input) where T : unmanaged, ISixteen<T>
    {
        var (rows, inputs, outputs) = ((int)input.shape[0], (int)matrix.Columns, (int)matrix.Rows);
        var result = full([rows, outputs], float.NaN);
        var padded = nn.functional.pad(input, [0, RowProduct.Padded(inputs) - inputs]);
        fixed (float* x = padded.data<float>().ToArray(), y = new float[rows * outputs])
        {
            // In two parts, as two threads.
            var half = outputs / 2;
            RowProduct.Run<T>(matrix.OpenReader()!, x, y, rows, inputs, outputs, 0, half);
            RowProduct.Run<T>(matrix.OpenReader()!, x, y, rows, inputs, outputs, half, outputs - half);
            result.copy_(tensor(new ReadOnlySpan<float>(y, rows * outputs).ToArray()).view(rows, outputs));
        }
        GC.KeepAlive(matrix);
        return result;
    }
}
