using Peft.Kernels;
using Peft.Quantization.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// w = scale·(q − zero) with integers q of a few bits, and a scale and a zero for each output and group of inputs: GPTQ, AWQ and compressed-tensors, in one form whatever that of the file. Read-only: the values follow from
/// calibration.
/// </summary>
public abstract class GroupedMatrix : QuantizedMatrix
{
    private bool? isInOrder;

    private protected GroupedMatrix(long rows, long columns, GroupedTensors held, int bits, int groupSize, int zeroOffset = 0) : base(rows, columns)
        => (Tensors, Bits, GroupSize, ZeroOffset) = (held.Keep(), bits, groupSize, zeroOffset);

    /// <summary>Bits per value.</summary>
    public int Bits { get; }

    /// <summary>Inputs per group.</summary>
    public int GroupSize { get; }

    /// <summary>The offset that a stored zero lacks.</summary>
    internal int ZeroOffset { get; }

    /// <summary>True if groups are consecutive inputs.</summary>
    internal bool IsInOrder
    {
        get
        {
            using var scope = NewDisposeScope();
            return isInOrder ??= Tensors.Groups.eq(Values.Groups(Columns, GroupSize, Device)).all().item<bool>();
        }
    }

    private protected GroupedTensors Tensors { get; }

    internal override string? WhyFixed => $"Weights of the kind {Kind} follow from calibration and take no other values: use MergeAndUnload(dequantize: true), or the adapter unmerged.";

    private protected override QuantizedMatrix Requantize(Tensor values) => throw new QuantizationException(WhyFixed!);

    internal override IReadOnlyDictionary<string, Tensor> Held
        => new Dictionary<string, Tensor> { ["qweight"] = Tensors.Codes, ["qzeros"] = Tensors.Zeros, ["scales"] = Tensors.Scales, ["g_idx"] = Tensors.Groups };

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var values = empty(count, Columns, ScalarType.Float32, Device);
        TensorParts.ForEach(count * Columns, Columns, (start, length) =>
        {
            var (row, rows) = (start / Columns, length / Columns);
            var zeros = Tensors.Zeros.narrow(0, first + row, rows).to_type(ScalarType.Float32).add_(Constant(ZeroOffset), One);
            var scales = Tensors.Scales.narrow(0, first + row, rows).to_type(ScalarType.Float32);
            var numbers = Numbers(first + row, rows).sub_(zeros.index_select(1, Tensors.Groups));
            values.narrow(0, row, rows).copy_(numbers.mul_(scales.index_select(1, Tensors.Groups)));
        });
        return values.MoveToOuterDisposeScope();
    }

    /// <summary>The integers of some rows, <c>[count, in]</c> in float32.</summary>
    private protected Tensor Numbers(long first, long count)
    {
        using var scope = NewDisposeScope();
        var codes = Tensors.Codes.narrow(0, first, count);
        if (codes.dtype == ScalarType.Int32) codes = PackedBits.Unpack(codes.t(), Bits).narrow(0, 0, Columns).t();
        return codes.to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private protected override unsafe ValueReader Reader()
        => GroupedReaders.Of((byte*)TensorAddress.Of(Tensors.Codes), (nint)(Tensors.Codes.size(1) * Tensors.Codes.ElementSize), Bits, new(
            new((void*)TensorAddress.Of(Tensors.Scales), Tensors.Scales.dtype), (byte*)TensorAddress.Of(Tensors.Zeros), ZeroOffset, (int)Tensors.Scales.size(1), (int)Math.Min(GroupSize, Columns), IsInOrder ? null : (int*)TensorAddress.Of(Tensors.Groups)), (int)Columns);
}
