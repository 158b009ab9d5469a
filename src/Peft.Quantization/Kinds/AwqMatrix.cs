using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>AWQ (Lin et al. 2023, arXiv:2306.00978) of 4 bits in the layout <c>gemm</c>.</summary>
public sealed class AwqMatrix : GroupedMatrix
{
    private const int FourBits = 4;
    private const int Part = 64;   // inputs that are packed at a time

    // The positions of the outputs 0 to 7 in a word of eight.
    private static readonly int[] Places = [0, 4, 1, 5, 2, 6, 3, 7];

    private AwqMatrix(long rows, long columns, GroupedTensors held, int groupSize) : base(rows, columns, held, FourBits, groupSize) { }

    /// <inheritdoc/>
    public override string Kind => "awq";

    /// <summary>Reads the tensors of a checkpoint.</summary>
    internal static AwqMatrix Read(string path, long rows, long columns, Func<string, Tensor?> read, int groupSize)
    {
        using var scope = NewDisposeScope();
        if (rows % 8 != 0 || columns % groupSize != 0) throw new QuantizationException($"{path} is [{rows}, {columns}], but AWQ packs outputs by 8 and scales inputs by {groupSize}.");
        var count = columns / groupSize;
        var stored = PackedTensors.Require(path, read, [columns, rows / 8], [count, rows / 8], [count, rows]);
        // The file packs along the outputs, the matrix along the inputs.
        var codes = empty(rows, TensorParts.Count(columns * FourBits, 32), ScalarType.Int32, stored.Words.device);
        for (long first = 0; first < columns; first += Part)
        {
            using var each = NewDisposeScope();
            var words = CodePacking.Along(Unpack(stored.Words.narrow(0, first, Math.Min(Part, columns - first))), FourBits);
            codes.narrow(1, first * FourBits / 32, words.size(0)).copy_(words.t());
        }
        var groups = Values.Groups(columns, groupSize, codes.device).to_type(ScalarType.Int32);
        return new(rows, columns, new(codes, stored.Scales.t(), Unpack(stored.Zeros).t().to_type(ScalarType.Byte), groups), groupSize);
    }

    internal override QuantizedMatrix To(Device device) => new AwqMatrix(Rows, Columns, Tensors.To(device), GroupSize);

    /// <summary>The tensors of a checkpoint, by name after the module's path. The caller disposes them.</summary>
    internal IReadOnlyDictionary<string, Tensor> ToCheckpoint()
    {
        using var scope = NewDisposeScope();
        return new Dictionary<string, Tensor>
        {
            ["qweight"] = CodePacking.Interleaved(Numbers(0, Rows).t()).MoveToOuterDisposeScope(),
            ["qzeros"] = CodePacking.Interleaved(Tensors.Zeros.t()).MoveToOuterDisposeScope(),
            ["scales"] = Tensors.Scales.t().contiguous().MoveToOuterDisposeScope(),
        };
    }

    private static Tensor Unpack(Tensor words)
    {
        var shifts = tensor(Places.Select(place => FourBits * place).ToArray(), device: words.device);
        return words.unsqueeze(-1).bitwise_right_shift(shifts).bitwise_and(tensor(15, device: words.device)).view(words.size(0), -1);
    }
}
