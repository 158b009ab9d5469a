using Peft.Kernels;
using Peft.Quantization.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>FP8 times a scale for each tile.</summary>
public sealed class Float8Matrix : QuantizedMatrix
{
    private readonly Tensor codes, scales;
    private readonly long tileRows, tileColumns;
    private readonly bool isE5M2;

    private Float8Matrix(Tensor codes, Tensor scales, long tileRows, long tileColumns, bool isE5M2) : base(codes.size(0), codes.size(1))
        => (this.codes, this.scales, this.tileRows, this.tileColumns, this.isE5M2) = (codes.Keep(), scales.Keep(), tileRows, tileColumns, isE5M2);

    /// <inheritdoc/>
    public override string Kind => isE5M2 ? "fp8 (e5m2)" : "fp8";

    /// <summary>Quantizes a matrix in tiles.</summary>
    internal static Float8Matrix Of(Tensor values, long tileRows, long tileColumns)
    {
        var wide = values.to_type(ScalarType.Float32);
        var (down, across) = (TensorParts.Count(wide.size(0), tileRows), TensorParts.Count(wide.size(1), tileColumns));
        // Zeros fill the last tiles.
        var padded = nn.functional.pad(wide, [0, across * tileColumns - wide.size(1), 0, down * tileRows - wide.size(0)]);
        var scales = padded.view(down, tileRows, across, tileColumns).abs().amax([1, 3]).div_(Constant(Float8.Largest));
        scales = scales.masked_fill(scales.eq(Constant(0)), Constant(1));
        return new(Float8.Bytes(wide.div(Spread(scales, wide.size(0), wide.size(1), tileRows, tileColumns))), scales, tileRows, tileColumns, false);
    }

    /// <summary>Values of a checkpoint.</summary>
    /// <param name="path">The module, for error messages.</param>
    /// <param name="codes">Bytes <c>[out, in]</c>.</param>
    /// <param name="scales">The factors: <c>[tiles down, tiles across]</c>, <c>[out, 1]</c> or one.</param>
    /// <param name="tile">Rows and columns of a tile; null if the scales tell.</param>
    /// <param name="isE5M2">True for e5m2, false for e4m3fn.</param>
    internal static Float8Matrix Read(string path, Tensor codes, Tensor scales, (long Rows, long Columns)? tile, bool isE5M2)
    {
        if (codes.dim() != 2) throw new QuantizationException($"{path}.weight is [{string.Join(", ", codes.shape)}], but must be a matrix.");
        var (rows, columns) = tile ?? (scales.numel() == 1 ? codes.size(0) : 1, codes.size(1));
        if (rows < 1 || columns < 1) throw new QuantizationException($"{path}: a tile of {rows} × {columns} has no values.");
        long[] wanted = [TensorParts.Count(codes.size(0), rows), TensorParts.Count(codes.size(1), columns)];
        if (scales.numel() != wanted[0] * wanted[1] || (scales.numel() > 1 && !scales.shape.SequenceEqual(wanted)))
            throw new QuantizationException($"{path} has scales [{string.Join(", ", scales.shape)}], but a weight [{string.Join(", ", codes.shape)}] in tiles of {rows} × {columns} has [{string.Join(", ", wanted)}].");
        if (!Values.IsFinite(scales)) throw new QuantizationException($"{path} has scales that are not finite.");
        using var values = Float8.Values(codes, isE5M2);
        if (!Values.IsFinite(values)) throw new QuantizationException($"{path}.weight holds values that are not finite.");
        return new(codes, scales.to_type(ScalarType.Float32).reshape(wanted), rows, columns, isE5M2);
    }

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var own = Spread(scales, Rows, Columns, tileRows, tileColumns);
        return Float8.Values(codes.narrow(0, first, count), isE5M2).mul_(own.size(0) > 1 ? own.narrow(0, first, count) : own).MoveToOuterDisposeScope();
    }

    private protected override unsafe ValueReader Reader()
    {
        var (each, factors) = (TensorAddress.Of(codes), TensorAddress.Of(scales));
        return isE5M2 ? new Float8Reader<E5M2>((byte*)each, (float*)factors, tileRows, tileColumns, Columns) : new Float8Reader<E4M3>((byte*)each, (float*)factors, tileRows, tileColumns, Columns);
    }

    private protected override QuantizedMatrix Requantize(Tensor values)
    {
        using var scope = NewDisposeScope();
        return Of(values, tileRows, tileColumns);
    }

    internal override string? WhyFixed => isE5M2 ? "FP8 weights of the kind e5m2 are read only: use e4m3, or MergeAndUnload(dequantize: true)." : null;

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor> { ["weight"] = codes, ["weight_scale_inv"] = scales };

    internal override QuantizedMatrix To(Device device) => new Float8Matrix(codes.to(device), scales.to(device), tileRows, tileColumns, isE5M2);

    // The scale of each element; broadcast along a dimension with a single tile.
    private static Tensor Spread(Tensor scales, long rows, long columns, long tileRows, long tileColumns)
    {
        if (scales.size(0) > 1) scales = scales.index_select(0, Values.Groups(rows, tileRows, scales.device));
        return scales.size(1) > 1 ? scales.index_select(1, Values.Groups(columns, tileColumns, scales.device)) : scales;
    }
}
