using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>GPTQ (Frantar et al. 2022, arXiv:2210.17323) as AutoGPTQ and GPTQModel store it, with or without <c>desc_act</c>.</summary>
public sealed class GptqMatrix : GroupedMatrix
{
    private GptqMatrix(long rows, long columns, GroupedTensors held, int bits, int groupSize, int zeroOffset) : base(rows, columns, held, bits, groupSize, zeroOffset) { }

    /// <inheritdoc/>
    public override string Kind => "gptq";

    /// <summary>True if all zeros are the middle code.</summary>
    internal bool IsSymmetric
    {
        get
        {
            using var scope = NewDisposeScope();
            return Tensors.Zeros.eq(Constant((1 << (Bits - 1)) - ZeroOffset)).all().item<bool>();
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
        using var scope = NewDisposeScope();
        if (rows * bits % 32 != 0 || columns * bits % 32 != 0) throw new QuantizationException($"{path} is [{rows}, {columns}], which {bits} bits do not pack into whole words.");
        var count = TensorParts.Count(columns, groupSize);
        var stored = PackedTensors.Require(path, read, [columns * bits / 32, rows], [count, rows * bits / 32], [count, rows]);
        var groups = read("g_idx");
        if (groups is null) groups = Values.Groups(columns, groupSize, stored.Words.device).to_type(ScalarType.Int32);
        else Values.Expect(groups, $"{path}.g_idx", ScalarType.Int32, columns);
        if (groups.min().item<int>() < 0 || groups.max().item<int>() >= count) throw new QuantizationException($"{path}.g_idx names a group outside of the {count} that there are.");
        return new(rows, columns, new(stored.Words.t(), stored.Scales.t(), PackedBits.Unpack(stored.Zeros.t(), bits).to_type(ScalarType.Byte), groups), bits, groupSize, zeroOffset);
    }

    internal override QuantizedMatrix To(Device device) => new GptqMatrix(Rows, Columns, Tensors.To(device), Bits, GroupSize, ZeroOffset);

    /// <summary>The tensors of a checkpoint, by name after the module's path. The caller disposes them.</summary>
    internal IReadOnlyDictionary<string, Tensor> ToCheckpoint()
    {
        using var scope = NewDisposeScope();
        return new Dictionary<string, Tensor>
        {
            ["qweight"] = Tensors.Codes.t().contiguous().MoveToOuterDisposeScope(),
            ["qzeros"] = CodePacking.Along(Tensors.Zeros, Bits).t().contiguous().MoveToOuterDisposeScope(),
            ["scales"] = Tensors.Scales.t().contiguous().MoveToOuterDisposeScope(),
            ["g_idx"] = Tensors.Groups.alias().MoveToOuterDisposeScope(),
        };
    }
}
