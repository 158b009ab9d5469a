using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Integers of 4 or 8 bits, as compressed-tensors stores them.</summary>
public sealed class IntegerMatrix : GroupedMatrix
{
    private IntegerMatrix(long rows, long columns, GroupedTensors held, int bits, int groupSize) : base(rows, columns, held, bits, groupSize) { }

    /// <inheritdoc/>
    public override string Kind => $"int{Bits}";

    /// <summary>Reads the tensors of a checkpoint.</summary>
    /// <param name="path">The module, for error messages.</param>
    /// <param name="rows">Number of outputs.</param>
    /// <param name="columns">Number of inputs.</param>
    /// <param name="bits">Bits of a packed value; null for one byte per value.</param>
    /// <param name="read">Reads a tensor by its name after the path; null if there is none.</param>
    internal static IntegerMatrix Read(string path, long rows, long columns, int? bits, Func<string, Tensor?> read)
    {
        using var scope = NewDisposeScope();
        var codes = bits is { } packed ? Values.Expect(read("weight_packed"), $"{path}.weight_packed", ScalarType.Int32, rows, TensorParts.Count(columns * packed, 32))
            : Values.Expect(read("weight"), $"{path}.weight", ScalarType.Int8, rows, columns);
        if (bits is not null && read("weight_shape") is { } shape && !shape.to_type(ScalarType.Int64).data<long>().ToArray().AsSpan().SequenceEqual([rows, columns]))
            throw new QuantizationException($"{path}.weight_shape does not say [{rows}, {columns}], which the model has there: the weights belong to another model.");
        var scales = read("weight_scale") ?? throw new QuantizationException($"{path} has no weight_scale: the file is damaged.");
        if (scales.numel() == 1) scales = scales.reshape(1, 1).expand(rows, 1);
        if (!scales.is_floating_point() || scales.dim() != 2 || scales.size(0) != rows || scales.size(1) < 1 || columns % scales.size(1) != 0)
            throw new QuantizationException($"{path}.weight_scale is {TensorRules.Describe(scales)}, but must hold a scale for each of {rows} outputs and of equal groups of {columns} inputs.");
        if (!Values.IsFinite(scales)) throw new QuantizationException($"{path}.weight_scale holds values that are not finite.");
        if (scales.dtype == ScalarType.Float64) scales = scales.to_type(ScalarType.Float32);
        var (count, half) = (scales.size(1), 1 << ((bits ?? 8) - 1));
        var groups = read("weight_g_idx");
        if (groups is null) groups = Values.Groups(columns, columns / count, codes.device).to_type(ScalarType.Int32);
        else if (Values.Expect(groups, $"{path}.weight_g_idx", ScalarType.Int32, columns) is var given && (given.min().item<int>() < 0 || given.max().item<int>() >= count))
            throw new QuantizationException($"{path}.weight_g_idx names a group outside of the {count} that there are.");
        if (bits is null) codes = Unsigned(codes);
        return new(rows, columns, new(codes, scales, Zeros(), groups), bits ?? 8, (int)(columns / count));

        // Bytes [out, groups], plus half of their range as packed codes are.
        Tensor Zeros()
        {
            var zeros = read("weight_zero_point");
            if (zeros is null) return full([rows, count], Constant(half), ScalarType.Byte, codes.device);
            if (zeros.dtype == ScalarType.Int32 && bits is { } each)
                return PackedBits.Unpack(Values.Expect(zeros, $"{path}.weight_zero_point", ScalarType.Int32, TensorParts.Count(rows * each, 32), count), each).narrow(0, 0, rows).to_type(ScalarType.Byte);
            if (zeros.numel() == 1) zeros = zeros.reshape(1, 1).expand(rows, count);
            var signed = Values.Expect(zeros, $"{path}.weight_zero_point", ScalarType.Int8, rows, count);
            if (bits < 8 && (signed.min().item<sbyte>() < -half || signed.max().item<sbyte>() >= half)) throw new QuantizationException($"{path}.weight_zero_point holds zeros that {bits} bits cannot: the file is damaged.");
            return Unsigned(signed);
        }

        Tensor Unsigned(Tensor numbers) => numbers.to_type(ScalarType.Int16).add_(Constant(half), One).to_type(ScalarType.Byte);
    }

    internal override QuantizedMatrix To(Device device) => new IntegerMatrix(Rows, Columns, Tensors.To(device), Bits, GroupSize);
}
