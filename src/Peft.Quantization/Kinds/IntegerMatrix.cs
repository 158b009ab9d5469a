using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Integers of 4 or 8 bits with a scale, and optionally a zero, for each output and group of inputs, as compressed-tensors stores them. Read-only: the values follow from calibration.</summary>
public sealed class IntegerMatrix : QuantizedMatrix
{
    private readonly Tensor codes, scales, groups;
    private readonly Tensor? zeros;
    private readonly int bits;

    private IntegerMatrix(long rows, long columns, int bits, Tensor codes, Tensor scales, Tensor? zeros, Tensor groups) : base(rows, columns)
        => (this.bits, this.codes, this.scales, this.zeros, this.groups) = (bits, codes.Keep(), scales.Keep(), zeros?.Keep(), groups.Keep());

    /// <inheritdoc/>
    public override string Kind => $"int{bits}";

    internal override string? WhyFixed => $"Weights of the kind {Kind} (compressed-tensors) follow from calibration and take no other values: use MergeAndUnload(dequantize: true), or the adapter unmerged.";

    /// <summary>Reads the tensors of a checkpoint.</summary>
    /// <param name="path">The module, for error messages.</param>
    /// <param name="rows">Number of outputs.</param>
    /// <param name="columns">Number of inputs.</param>
    /// <param name="bits">Bits of a packed value; null for one byte per value.</param>
    /// <param name="read">Reads a tensor by its name after the path; null if there is none.</param>
    internal static IntegerMatrix Read(string path, long rows, long columns, int? bits, Func<string, Tensor?> read)
    {
        var codes = bits is { } packed ? Values.Expect(read("weight_packed"), $"{path}.weight_packed", ScalarType.Int32, rows, TensorParts.Count(columns * packed, 32))
            : Values.Expect(read("weight"), $"{path}.weight", ScalarType.Int8, rows, columns);
        if (bits is not null && read("weight_shape") is { } shape && !shape.to_type(ScalarType.Int64).data<long>().ToArray().AsSpan().SequenceEqual([rows, columns]))
            throw new QuantizationException($"{path}.weight_shape does not say [{rows}, {columns}], which the model has there: the weights belong to another model.");
        var scales = read("weight_scale") ?? throw new QuantizationException($"{path} has no weight_scale: the file is damaged.");
        if (scales.numel() == 1) scales = scales.reshape(1, 1).expand(rows, 1);
        if (!scales.is_floating_point() || scales.dim() != 2 || scales.shape[0] != rows || scales.shape[1] < 1 || columns % scales.shape[1] != 0)
            throw new QuantizationException($"{path}.weight_scale is {TensorRules.Describe(scales)}, but must hold a scale for each of {rows} outputs and of equal groups of {columns} inputs.");
        if (!Values.IsFinite(scales)) throw new QuantizationException($"{path}.weight_scale holds values that are not finite.");
        var count = scales.shape[1];
        var zeros = read("weight_zero_point");
        if (zeros is { dtype: ScalarType.Int32 } && bits is { } each)
            zeros = Unpack(Values.Expect(zeros, $"{path}.weight_zero_point", ScalarType.Int32, TensorParts.Count(rows * each, 32), count).t().contiguous(), each, rows).t();
        else if (zeros is not null) Values.Expect(zeros.numel() == 1 ? zeros = zeros.reshape(1, 1).expand(rows, count) : zeros, $"{path}.weight_zero_point", ScalarType.Int8, rows, count);
        var groups = read("weight_g_idx");
        if (groups is null) groups = Values.Groups(columns, columns / count, codes.device).to_type(ScalarType.Int32);
        else if (Values.Expect(groups, $"{path}.weight_g_idx", ScalarType.Int32, columns) is var given && (given.min().item<int>() < 0 || given.max().item<int>() >= count))
            throw new QuantizationException($"{path}.weight_g_idx names a group outside of the {count} that there are.");
        return new(rows, columns, bits ?? 8, codes, scales.to_type(ScalarType.Float32).contiguous(), zeros?.to_type(ScalarType.Float32).contiguous(), groups);
    }

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var values = empty(count, Columns, ScalarType.Float32, Device);
        TensorParts.ForEach(count * Columns, Columns, (start, length) =>
        {
            var (row, rows) = (start / Columns, length / Columns);
            var part = codes.narrow(0, first + row, rows);
            var numbers = (part.dtype == ScalarType.Int8 ? part : Unpack(part, bits, Columns)).to_type(ScalarType.Float32);
            if (zeros is not null) numbers.sub_(zeros.narrow(0, first + row, rows).index_select(1, groups));
            values.narrow(0, row, rows).copy_(numbers.mul_(scales.narrow(0, first + row, rows).index_select(1, groups)));
        });
        return values.MoveToOuterDisposeScope();
    }

    // Along the last dimension; codes are stored plus half of their range.
    private static Tensor Unpack(Tensor words, int bits, long count)
        => PackedBits.Unpack(words.t().contiguous(), bits).t().narrow(1, 0, count).sub(Constant(1 << (bits - 1)));

    private protected override QuantizedMatrix Requantize(Tensor values) => throw new QuantizationException(WhyFixed!);

    internal override IReadOnlyDictionary<string, Tensor> Held
    {
        get
        {
            var held = new Dictionary<string, Tensor> { ["weight"] = codes, ["weight_scale"] = scales, ["weight_g_idx"] = groups };
            if (zeros is not null) held["weight_zero_point"] = zeros;
            return held;
        }
    }

    internal override QuantizedMatrix To(Device device) => new IntegerMatrix(Rows, Columns, bits, codes.to(device), scales.to(device), zeros?.to(device), groups.to(device));
}
