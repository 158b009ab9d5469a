using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>8 bits of the dynamic code, scaled by blocks that run over the ends of rows.</summary>
public sealed class BlockwiseMatrix : QuantizedMatrix
{
    private readonly Tensor codes, scales, table;

    private BlockwiseMatrix(long rows, long columns, int blockSize, Tensor codes, Tensor scales, Tensor table) : base(rows, columns)
        => (BlockSize, this.codes, this.scales, this.table) = (blockSize, codes.Keep(), scales.Keep(), table.Keep());

    /// <inheritdoc/>
    public override string Kind => "dynamic8";

    /// <summary>Values per scale.</summary>
    public int BlockSize { get; }

    internal static BlockwiseMatrix Of(Tensor values, int blockSize)
    {
        var (codes, scales) = DynamicCode.Quantize(values.to_type(ScalarType.Float32).contiguous().view(-1), DynamicCode.Signed, blockSize);
        return new(values.shape[0], values.shape[1], blockSize, codes, scales, tensor(DynamicCode.Signed, device: values.device));
    }

    /// <inheritdoc/>
    public override Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        return DynamicCode.Dequantize(codes, scales, table, BlockSize).view(Rows, Columns).MoveToOuterDisposeScope();
    }

    private protected override QuantizedMatrix Requantize(Tensor values) => new BlockwiseOptions { BlockSize = BlockSize }.Quantize(values);

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor> { ["weight"] = codes, ["absmax"] = scales, ["quant_map"] = table };

    internal override QuantizedMatrix To(Device device) => new BlockwiseMatrix(Rows, Columns, BlockSize, codes.to(device), scales.to(device), table.to(device));
}
