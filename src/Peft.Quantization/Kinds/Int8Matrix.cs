using Peft.Quantization.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>LLM.int8: 8-bit integers, times a scale per row / 127, in the format of bitsandbytes.</summary>
public sealed class Int8Matrix : QuantizedMatrix
{
    // 1/127 in the digits of bitsandbytes' kernels.
    private const double Step = 7.874015718698502e-3;

    private readonly Tensor codes, scales;

    private Int8Matrix(Tensor codes, Tensor scales, double? inputThreshold) : base(codes.size(0), codes.size(1))
        => (this.codes, this.scales, InputThreshold) = (codes.Keep(), scales.Keep(), inputThreshold);

    /// <inheritdoc/>
    public override string Kind => "int8";

    /// <inheritdoc cref="Int8Options.InputThreshold"/>
    public double? InputThreshold { get; }

    internal static Int8Matrix Of(Tensor values, double? inputThreshold)
    {
        var (codes, scales) = values.device_type == DeviceType.CPU ? Encode(Transposition.Contiguous(values.to_type(ScalarType.Float32))) : Rounded(values.to_type(ScalarType.Float16).to_type(ScalarType.Float32));
        if (!Values.IsFinite(scales)) throw new QuantizationException("LLM.int8 holds weights as float16 would, but a value is beyond its range of 65,504.");
        return new(codes, scales, inputThreshold);
    }

    private static (Tensor Codes, Tensor Scales) Encode(Tensor rows)
    {
        var (codes, scales) = (empty(rows.shape, ScalarType.Int8), empty(rows.size(0), ScalarType.Float32));
        Int8Encoder.Run(rows, codes, scales);
        return (codes, scales);
    }

    /// <summary>Reads the tensors of a checkpoint.</summary>
    internal static Int8Matrix Read(string path, Func<string, Tensor?> read, double? inputThreshold)
    {
        var codes = read("weight");
        if (codes is not { dtype: ScalarType.Int8 } || codes.dim() != 2) throw new QuantizationException($"{path}.weight is {(codes is null ? "missing" : TensorRules.Describe(codes))}, but must be Int8 [out, in].");
        if (read("weight_format") is { } format && (format.numel() != 1 || format.reshape(1)[0].item<byte>() != 0))
            throw new QuantizationException($"{path}.weight_format is not 0 (rows): other layouts of LLM.int8 belong to one GPU. Save the model again with a newer bitsandbytes.");
        return new(codes, Values.Expect(read("SCB"), $"{path}.SCB", ScalarType.Float32, codes.size(0)), inputThreshold);
    }

    /// <summary>The same values, multiplied by inputs as the threshold says.</summary>
    internal Int8Matrix WithThreshold(double? threshold) => new(codes.alias(), scales.alias(), threshold);

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        return codes.narrow(0, first, count).to_type(ScalarType.Float32).mul_(scales.narrow(0, first, count).unsqueeze(1)).mul_(Constant(Step)).MoveToOuterDisposeScope();
    }

    private protected override unsafe ValueReader Reader() => new Int8Reader((sbyte*)TensorAddress.Of(codes), (float*)TensorAddress.Of(scales), (float)Step, Columns);

    /// <summary>x·Wᵀ with inputs <c>[…, in]</c> rounded to 8 bits by row, but for columns with a value from the threshold on. Without gradients.</summary>
    internal Tensor MultiplyQuantized(Tensor input)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var given = input.to_type(ScalarType.Float32).reshape(-1, Columns);
        var rows = given.to_type(ScalarType.Float16).to_type(ScalarType.Float32);
        var outliers = InputThreshold is > 0 and var limit ? rows.abs().ge(Constant(limit)) : null;
        var columns = outliers?.any(0).nonzero().squeeze(1);
        var (rounded, scale) = Rounded(outliers is null ? rows : rows.masked_fill(outliers, Constant(0)));
        var left = rounded.to_type(ScalarType.Float32);
        if (columns is { } && columns.numel() > 0) left = left.index_fill(1, columns, Constant(0));
        var product = nn.functional.linear(left, codes.to_type(ScalarType.Float32)).mul_(scale.unsqueeze(1).mul(scales)).mul_(Constant(Step * Step));
        if (columns is { } && columns.numel() > 0)
            product = product.add(nn.functional.linear(given.index_select(1, columns), codes.index_select(1, columns).to_type(ScalarType.Float32).mul(scales.unsqueeze(1)).mul(Constant(Step))), One);
        return product.reshape([.. input.shape[..^1], Rows]).to_type(input.dtype).MoveToOuterDisposeScope();
    }

    private protected override QuantizedMatrix Requantize(Tensor values) => new Int8Options { InputThreshold = InputThreshold }.Quantize(values);

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor> { ["weight"] = codes, ["SCB"] = scales };

    internal override QuantizedMatrix To(Device device) => new Int8Matrix(codes.to(device), scales.to(device), InputThreshold);

    /// <summary>The tensors of a checkpoint, by name after the module's path. The caller disposes them.</summary>
    internal IReadOnlyDictionary<string, Tensor> ToCheckpoint()
        => new Dictionary<string, Tensor> { ["weight"] = codes.alias(), ["SCB"] = scales.alias(), ["weight_format"] = tensor((byte)0) };

    // A row of zeros has the scale 0.
    internal static (Tensor Codes, Tensor Scales) Rounded(Tensor rows)
    {
        var scales = rows.abs().amax([1]);
        var factors = scales.reciprocal().mul_(Constant(127)).masked_fill_(scales.eq(Constant(0)), Constant(0));   // in the order of bitsandbytes
        return (rows.mul(factors.unsqueeze(1)).round_().to_type(ScalarType.Int8), scales);
    }
}
