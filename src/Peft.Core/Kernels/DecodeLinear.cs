using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A linear module with its adapters in a decode step: x·Wᵀ + b + Σ s·(x·Aᵀ)·Bᵀ.</summary>
/// <param name="Matrix">W.</param>
/// <param name="Bias">b; null for none.</param>
/// <param name="Updates">The low-rank updates.</param>
internal sealed unsafe record DecodeLinear(DecodeMatrix Matrix, Tensor? Bias, params DecodeUpdate[] Updates)
{
    private readonly nint bias = Bias is null ? 0 : TensorAddress.Of(Bias);

    /// <summary>The module without adapters; null if the kernels do not support it, or if they are not the fastest for so many rows.</summary>
    public static DecodeLinear? Of(DecodeMatrix? matrix, Tensor? bias, int rows)
        => matrix is not null && rows <= matrix.MostRows && (bias is null || (TensorMemory.Supports(bias) && bias.is_contiguous())) ? new(matrix, bias) : null;

    /// <summary>A range of the module's outputs.</summary>
    /// <param name="x"><c>[rows, inputs]</c>, or in blocks if the matrix reads them.</param>
    /// <param name="y">Takes the outputs, <c>[rows, outputs]</c>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="first">The first output.</param>
    /// <param name="count">Number of outputs.</param>
    public void Multiply(float* x, float* y, int rows, int first, int count) => Matrix.Multiply(x, (float*)bias, y, rows, first, count);
}
