using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>A quantized matrix that is multiplied as its codes are read.</summary>
/// <param name="reader">Reads the values.</param>
/// <param name="outputs">Number of outputs.</param>
/// <param name="inputs">Length of an input, whole vectors.</param>
/// <param name="rowBytes">Bytes of an output's codes.</param>
internal sealed unsafe class QuantizedDecodeMatrix(ValueReader reader, int outputs, int inputs, int rowBytes) : DecodeMatrix(outputs, inputs, rowBytes, isDivisible: true)
{
    /// <inheritdoc/>
    public override void Multiply(float* x, float* bias, float* y, int rows, int first, int count)
    {
        RowProduct.Run(reader, x, y, rows, Inputs, Outputs, first, count);
        if (bias is null) return;
        for (var row = 0; row < rows; row++, y += Outputs)
            for (var n = first; n < first + count; n++) y[n] += bias[n];
    }
}
