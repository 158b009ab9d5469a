using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A float32 matrix that is stored by rows or by columns.</summary>
internal sealed unsafe class PlainDecodeMatrix : DecodeMatrix
{
    private readonly nint values;
    private readonly bool byColumns;

    private PlainDecodeMatrix(nint values, int outputs, int inputs, bool byColumns) : base(outputs, inputs, inputs * sizeof(float), !byColumns) => (this.values, this.byColumns) = (values, byColumns);

    /// <summary>The matrix; null if the kernels do not support it.</summary>
    /// <param name="weight"><c>[outputs, inputs]</c>, or <c>[inputs, outputs]</c> if it is transposed.</param>
    /// <param name="transposed">True if the weight is Wᵀ.</param>
    public static PlainDecodeMatrix? Of(Tensor weight, bool transposed)
    {
        if (weight.dim() != 2 || !TensorMemory.Supports(weight)) return null;
        var (height, width) = (weight.size(0), weight.size(1));
        bool byRows = weight.is_contiguous(), byColumns = !byRows && weight.stride(0) == 1 && weight.stride(1) == height;
        var (outputs, inputs) = transposed ? (width, height) : (height, width);
        if (!(byRows || byColumns) || inputs % 4 != 0 || outputs > int.MaxValue || inputs > int.MaxValue / sizeof(float)) return null;
        return new(TensorAddress.Of(weight), (int)outputs, (int)inputs, byRows == transposed);
    }

    /// <inheritdoc/>
    public override int MostRows => byColumns ? base.MostRows : int.MaxValue;

    /// <inheritdoc/>
    public override bool ReadsBlocks(int rows) => SkinnyProduct.ReadsBlocks(rows, byColumns);

    /// <inheritdoc/>
    public override void Multiply(float* x, float* bias, float* y, int rows, int first, int count) => SkinnyProduct.Run(x, (float*)values, bias, y, rows, Inputs, Outputs, first, count, byColumns);
}
