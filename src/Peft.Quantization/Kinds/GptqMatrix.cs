using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>GPTQ (Frantar et al. 2022, arXiv:2210.17323) as AutoGPTQ and GPTQModel store it, with or without <c>desc_act</c>.</summary>
public sealed class GptqMatrix : GroupedMatrix
{
    private readonly Tensor groups;
    private readonly int zeroOffset;

    private GptqMatrix(long rows, long columns, (Tensor Words, Tensor Zeros, Tensor Scales) held, Tensor groups, int bits, int groupSize, int zeroOffset)
        : base(rows, columns, held.Words, held.Zeros, held.Scales, bits, groupSize) => (this.groups, this.zeroOffset) = (groups.Keep(), zeroOffset);

    /// <inheritdoc/>
    public override string Kind => "gptq";

    /// <summary>The offset that a stored zero lacks.</summary>
    internal int ZeroOffset => zeroOffset;

    /// <summary>True if groups are consecutive inputs.</summary>
    internal bool IsInOrder
    {
        get
        {
            using var scope = NewDisposeScope();
            return groups.eq(Values.Groups(Columns, GroupSize, Device)).all().item<bool>();
        }
    }

    /// <summary>True if all zeros are the middle code.</summary>
    internal bool IsSymmetric
    {
        get
        {
            using var scope = NewDisposeScope();
            return PackedBits.Unpack(Zeros.t(), Bits).eq(Constant((1 << (Bits - 1)) - zeroOffset)).all().item<bool>();
        }
    }

    /// <summary>Reads the tensors of a checkpoint.</summary>
    /// <param name="path">The module, for error messages.</param>
    /// <param name="rows">Number of outputs.</param>
    /// <param name="columns">Number of inputs.</param>
    /// <param name="read">Reads a tensor by its name after the path; null if there is none.</param>
    /// <param name="bits">Bits per value.</param>
    /// <param name="groupSize">Inputs per group.</param>
    /// <param name="zeroOffset">The offset that a stored zero lacks: 1 in the first version of the format.</param>
    internal static GptqMatrix Read(string path, long rows, long columns, Func<string, Tensor?> read, int bits, int groupSize, int zeroOffset)
    {
        if (rows * bits % 32 != 0 || columns * bits % 32 != 0) throw new QuantizationException($"{path} is [{rows}, {columns}], which {bits} bits do not pack into whole words.");
        var count = TensorParts.Count(columns, groupSize);
        var held = Require(path, read, [columns * bits / 32, rows], [count, rows * bits / 32], [count, rows]);
        var groups = read("g_idx");
        if (groups is null) groups = Values.Groups(columns, groupSize, held.Words.device).to_type(ScalarType.Int32);
        else Values.Expect(groups, $"{path}.g_idx", ScalarType.Int32, columns);
        if (groups.min().item<int>() < 0 || groups.max().item<int>() >= count) throw new QuantizationException($"{path}.g_idx names a group outside of the {count} that there are.");
        return new(rows, columns, held, groups, bits, groupSize, zeroOffset);
    }

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var scales = Scales.narrow(1, first, count).to_type(ScalarType.Float32);
        var zeros = PackedBits.Unpack(Zeros.narrow(1, first * Bits / 32, count * Bits / 32).t(), Bits).t().add(Constant(zeroOffset), One);
        var values = empty(Columns, count, ScalarType.Float32, Device);
        // 32 inputs at a time begin with a new word, whatever the number of bits.
        TensorParts.ForEach(Columns * count, 32 * count, (start, length) =>
        {
            var (input, inputs) = (start / count, length / count);
            var group = groups.narrow(0, input, inputs);
            var codes = PackedBits.Unpack(Words.narrow(1, first, count).narrow(0, input * Bits / 32, inputs * Bits / 32), Bits);
            values.narrow(0, input, inputs).copy_(codes.sub(zeros.index_select(0, group)).mul(scales.index_select(0, group)));
        });
        return values.t().MoveToOuterDisposeScope();
    }

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor>(base.Held) { ["g_idx"] = groups };

    internal override QuantizedMatrix To(Device device) => new GptqMatrix(Rows, Columns, (Words.to(device), Zeros.to(device), Scales.to(device)), groups.to(device), Bits, GroupSize, zeroOffset);
}
