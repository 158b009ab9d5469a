using Peft.Kernels;
using Peft.Quantization.Kernels;
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
        var (codes, scales) = DynamicCode.Quantize(Transposition.Contiguous(values.to_type(ScalarType.Float32)).view(-1), DynamicCode.Signed, blockSize);
        return new(values.size(0), values.size(1), blockSize, codes, scales, tensor(DynamicCode.Signed, device: values.device));
    }

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var blocks = BlockRange.Of(first * Columns, count * Columns, BlockSize, Rows * Columns);
        var values = DynamicCode.Dequantize(codes.narrow(0, blocks.Start, blocks.Length), scales.narrow(0, blocks.First, blocks.Count), table, BlockSize);
        return values.narrow(0, first * Columns - blocks.Start, count * Columns).view(count, Columns).MoveToOuterDisposeScope();
    }

    private protected override unsafe ValueReader Reader()
        => new BlockwiseReader((byte*)TensorAddress.Of(codes), (float*)TensorAddress.Of(table), (float*)TensorAddress.Of(scales), BlockSize, Columns);

    private protected override QuantizedMatrix Requantize(Tensor values) => new BlockwiseOptions { BlockSize = BlockSize }.Quantize(values);

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor> { ["weight"] = codes, ["absmax"] = scales, ["quant_map"] = table };

    internal override QuantizedMatrix To(Device device) => new BlockwiseMatrix(Rows, Columns, BlockSize, codes.to(device), scales.to(device), table.to(device));
}
