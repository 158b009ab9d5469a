using Peft.Kernels;
using Peft.Quantization.Gguf;
using Peft.Quantization.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>A read-only matrix in the blocks of a GGUF file, as they are stored there.</summary>
public sealed class GgufMatrix : QuantizedMatrix
{
    private readonly Tensor bytes;
    private readonly GgufType type;

    /// <param name="bytes">The bytes of each row, <c>[out, bytes]</c>.</param>
    /// <param name="columns">Number of inputs.</param>
    /// <param name="type">The type of the blocks.</param>
    internal GgufMatrix(Tensor bytes, long columns, GgufType type) : base(bytes.size(0), columns)
    {
        if (columns % type.BlockSize != 0 || bytes.size(1) != columns / type.BlockSize * type.BlockBytes)
            throw new QuantizationException($"Rows of {columns} values do not fill {bytes.size(1)} bytes of blocks of the type {type}.");
        (this.bytes, this.type) = (bytes.Keep(), type);
    }

    /// <inheritdoc/>
    public override string Kind => type.Name;

    internal override string? WhyFixed => $"Blocks of GGUF ({Kind}) are read-only: use MergeAndUnload(dequantize: true), or the adapter unmerged.";

    private protected override unsafe ValueReader Reader() => GgufReaders.Of((byte*)TensorAddress.Of(bytes), type, Columns);

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var values = empty(count * Columns, ScalarType.Float32, Device);
        var blocks = bytes.narrow(0, first, count).view(-1, type.BlockBytes);
        TensorParts.ForEach(count * Columns, type.BlockSize, (start, length) =>
            values.narrow(0, start, length).copy_(GgufBlocks.Dequantize(blocks.narrow(0, start / type.BlockSize, length / type.BlockSize), type).view(-1)));
        return values.view(count, Columns).MoveToOuterDisposeScope();
    }

    private protected override QuantizedMatrix Requantize(Tensor values) => throw new QuantizationException(WhyFixed!);

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor> { ["weight"] = bytes };

    internal override QuantizedMatrix To(Device device) => new GgufMatrix(bytes.to(device), Columns, type);
}
