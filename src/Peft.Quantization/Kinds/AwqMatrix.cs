using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>AWQ (Lin et al. 2023, arXiv:2306.00978) of 4 bits in the layout <c>gemm</c>.</summary>
public sealed class AwqMatrix : GroupedMatrix
{
    // The positions of the outputs 0 to 7 in a word of eight.
    private static readonly int[] Places = [0, 4, 1, 5, 2, 6, 3, 7];

    private AwqMatrix(long rows, long columns, (Tensor Words, Tensor Zeros, Tensor Scales) held, int groupSize) : base(rows, columns, held.Words, held.Zeros, held.Scales, 4, groupSize) { }

    /// <inheritdoc/>
    public override string Kind => "awq";

    /// <summary>Reads the tensors of a checkpoint.</summary>
    internal static AwqMatrix Read(string path, long rows, long columns, Func<string, Tensor?> read, int groupSize)
    {
        if (rows % 8 != 0 || columns % groupSize != 0) throw new QuantizationException($"{path} is [{rows}, {columns}], but AWQ packs outputs by 8 and scales inputs by {groupSize}.");
        var count = columns / groupSize;
        return new(rows, columns, Require(path, read, [columns, rows / 8], [count, rows / 8], [count, rows]), groupSize);
    }

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var (scales, zeros) = (Scales.narrow(1, first, count).to_type(ScalarType.Float32), Unpack(Zeros.narrow(1, first / 8, count / 8)));
        var values = empty(Columns, count, ScalarType.Float32, Device);
        TensorParts.ForEach(Columns * count, GroupSize * count, (start, length) =>
        {
            var (input, inputs) = (start / count, length / count);
            var (group, groups) = (input / GroupSize, inputs / GroupSize);
            var codes = Unpack(Words.narrow(1, first / 8, count / 8).narrow(0, input, inputs)).view(groups, GroupSize, count);
            values.narrow(0, input, inputs).copy_(codes.sub(zeros.narrow(0, group, groups).unsqueeze(1)).mul(scales.narrow(0, group, groups).unsqueeze(1)).view(inputs, count));
        });
        return values.t().MoveToOuterDisposeScope();
    }

    internal override QuantizedMatrix To(Device device) => new AwqMatrix(Rows, Columns, (Words.to(device), Zeros.to(device), Scales.to(device)), GroupSize);

    private static Tensor Unpack(Tensor words)
    {
        var shifts = tensor(Places.Select(place => 4 * place).ToArray(), device: words.device);
        return words.unsqueeze(-1).bitwise_right_shift(shifts).bitwise_and(tensor(15, device: words.device)).view(words.shape[0], -1);
    }
}
