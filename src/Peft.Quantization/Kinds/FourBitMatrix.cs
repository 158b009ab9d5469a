using Peft.Kernels;
using Peft.Quantization.Kernels;
using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// NF4 or FP4, two codes a byte, scaled by blocks that run over the ends of rows: the format of bitsandbytes. With double quantization, the scales are held in
/// 8 bits.
/// </summary>
public sealed class FourBitMatrix : QuantizedMatrix
{
    /// <summary>Scales per scale of the second level.</summary>
    internal const int NestedBlock = 256;

    private readonly Tensor codes, table, scales;
    private readonly Nested? nested;
    private readonly ScalarType type;
    private readonly long[] shape;

    private FourBitMatrix(FourBitCode code, long[] shape, ScalarType type, int blockSize, Tensor codes, Tensor scales, Tensor table, Nested? nested)
        : base(shape[0], shape[1..].Aggregate(1L, (a, b) => a * b))
    {
        (Code, this.shape, this.type, BlockSize) = (code, shape, type, blockSize);
        (this.codes, this.scales, this.table, this.nested) = (codes.Keep(), scales.Keep(), table.Keep(), nested);
        nested?.Keep();
    }

    /// <summary>The code.</summary>
    public FourBitCode Code { get; }

    /// <summary>Values per scale.</summary>
    public int BlockSize { get; }

    /// <summary>True if the scales are quantized.</summary>
    public bool IsDoubleQuantized => nested is not null;

    /// <inheritdoc/>
    public override string Kind => Code.Name;

    internal static FourBitMatrix Of(Tensor values, FourBitOptions options)
    {
        var flat = Transposition.Contiguous(values).view(-1);
        var (codes, scales) = flat.device_type == DeviceType.CPU ? Encode(flat, options) : EncodeByTorch(flat, options);
        var nested = options.DoubleQuantization ? Nested.Of(ref scales) : null;
        return new(options.Code, values.shape, values.dtype, options.BlockSize, codes, scales, tensor(options.Code.Table.ToArray(), device: flat.device), nested);
    }

    private static (Tensor Codes, Tensor Scales) Encode(Tensor flat, FourBitOptions options)
    {
        var scales = empty(TensorParts.Count(flat.numel(), options.BlockSize), ScalarType.Float32);
        var codes = empty(TensorParts.Count(flat.numel(), 2), ScalarType.Byte);
        if (flat.dtype == ScalarType.Float32) FourBitEncoder.Run(flat, options.Code, options.BlockSize, scales, codes);
        else
            TensorParts.ForEach(flat.numel(), options.BlockSize, (start, length) => FourBitEncoder.Run(flat.narrow(0, start, length).to_type(ScalarType.Float32), options.Code, options.BlockSize,
                scales.narrow(0, start / options.BlockSize, TensorParts.Count(length, options.BlockSize)), codes.narrow(0, start / 2, TensorParts.Count(length, 2))));
        return (codes, scales);
    }

    /// <summary>The codes and the scales, by operations of torch on any device.</summary>
    internal static (Tensor Codes, Tensor Scales) EncodeByTorch(Tensor flat, FourBitOptions options)
    {
        var scales = ScaledBlocks.Largest(flat, options.BlockSize);
        var codes = empty(TensorParts.Count(flat.numel(), 2), ScalarType.Byte, flat.device);
        TensorParts.ForEach(flat.numel(), options.BlockSize, (start, length) =>
        {
            var scaled = ScaledBlocks.Divide(flat.narrow(0, start, length), scales.narrow(0, start / options.BlockSize, TensorParts.Count(length, options.BlockSize)), options.BlockSize);
            var each = options.Code.Encode(scaled);
            if (length % 2 != 0) each = cat([each, zeros(1, ScalarType.Byte, flat.device)]);
            var pairs = each.view(-1, 2);
            codes.narrow(0, start / 2, pairs.size(0)).copy_(pairs.select(1, 0).mul(Constant(16)).add(pairs.select(1, 1), One));
        });
        return (codes, scales);
    }

    private protected override ScalarType Type => type;

    private protected override unsafe ValueReader Reader()
    {
        var held = TensorAddress.Of(scales);
        var each = nested is null ? new BlockScales((float*)held)
            : new BlockScales(null, (byte*)held, (float*)TensorAddress.Of(nested.Table), (float*)TensorAddress.Of(nested.Absmax), nested.BlockSize, nested.Offset);
        return new FourBitReader((byte*)TensorAddress.Of(codes), (float*)TensorAddress.Of(table), each, BlockSize, Columns, type);
    }

    internal override Tensor DequantizeRows(long first, long count)
    {
        using var scope = NewDisposeScope();
        var blocks = BlockRange.Of(first * Columns, count * Columns, BlockSize, Rows * Columns);
        var values = empty(blocks.Length, type, codes.device);
        var own = Scales();
        // A byte has 256 pairs of values.
        var pairs = stack([table.repeat_interleave(16), table.repeat(16)], 1);
        TensorParts.ForEach(blocks.Length, BlockSize, (start, length) =>
        {
            var bytes = codes.narrow(0, (blocks.Start + start) / 2, TensorParts.Count(length, 2)).to_type(ScalarType.Int32);
            var found = pairs.index_select(0, bytes).view(-1).narrow(0, 0, length);
            values.narrow(0, start, length).copy_(ScaledBlocks.Times(found, own.narrow(0, blocks.First + start / BlockSize, TensorParts.Count(length, BlockSize)), BlockSize));
        });
        return values.narrow(0, first * Columns - blocks.Start, count * Columns).view(count, Columns).MoveToOuterDisposeScope();
    }

    /// <summary>The scale of each block, in float32.</summary>
    internal Tensor Scales() => nested is null ? scales.alias() : nested.Scales(scales);

    private protected override QuantizedMatrix Requantize(Tensor values)
        => new FourBitOptions { Code = Code, BlockSize = BlockSize, DoubleQuantization = IsDoubleQuantized }.Quantize(values);

    internal override IReadOnlyDictionary<string, Tensor> Held
    {
        get
        {
            var held = new Dictionary<string, Tensor> { ["weight"] = codes, ["weight.absmax"] = scales, ["weight.quant_map"] = table };
            if (nested is null) return held;
            held["weight.nested_absmax"] = nested.Absmax;
            held["weight.nested_quant_map"] = nested.Table;
            return held;
        }
    }

    internal override QuantizedMatrix To(Device device)
        => new FourBitMatrix(Code, shape, type, BlockSize, codes.to(device), scales.to(device), table.to(device), nested?.To(device));

    /// <summary>The tensors of a checkpoint, by name after the module's path. The caller disposes them.</summary>
    internal IReadOnlyDictionary<string, Tensor> ToCheckpoint()
    {
        var tensors = Held.ToDictionary(pair => pair.Key, pair => pair.Key == "weight" ? pair.Value.view(-1, 1) : pair.Value.alias());
        tensors[$"weight.quant_state.bitsandbytes__{Code}"] = tensor(Encoding.UTF8.GetBytes(Description()));
        return tensors;
    }

    // As Python's json.dumps writes it.
    private string Description()
    {
        var text = $"{{\"quant_type\": \"{Code}\", \"blocksize\": {BlockSize}, \"dtype\": \"{type.ToString().ToLowerInvariant()}\", \"shape\": [{string.Join(", ", shape)}]";
        return text + (nested is null ? "}" : $", \"nested_blocksize\": {nested.BlockSize}, \"nested_dtype\": \"float32\", \"nested_offset\": {PythonNumber.Format(nested.Offset)}}}");
    }

    /// <summary>Reads the tensors of a checkpoint.</summary>
    /// <param name="path">The module, for error messages.</param>
    /// <param name="bytes">The bytes of <c>weight</c>, whatever its dtype.</param>
    /// <param name="description">The bytes of <c>weight.quant_state.bitsandbytes__nf4</c>.</param>
    /// <param name="read">Reads a tensor by its name after the path; null if there is none.</param>
    internal static FourBitMatrix Read(string path, Tensor bytes, ReadOnlyMemory<byte> description, Func<string, Tensor?> read)
    {
        using var json = StrictJson.Document(description, $"{path}.weight.quant_state", (message, _) => new QuantizationException(message));
        var state = new JsonPart(json.RootElement, $"{path}.weight.quant_state", (message, _) => new QuantizationException(message));
        var code = FourBitCode.Named(state["quant_type"].AsString()) ?? throw state["quant_type"].Wrong("nf4 or fp4");
        var blockSize = state["blocksize"].AsInt();
        var type = state["dtype"].AsString() switch
        {
            "float32" => ScalarType.Float32,
            "float16" => ScalarType.Float16,
            "bfloat16" => ScalarType.BFloat16,
            _ => throw state["dtype"].Wrong("float32, float16 or bfloat16"),
        };
        if (blockSize < 2 || !int.IsPow2(blockSize)) throw state["blocksize"].Wrong("a power of two");
        long[] shape = [.. state["shape"].Items().Select(size => (long)size.AsInt())];
        if (shape.Length == 0 || Array.Exists(shape, size => size < 1)) throw state["shape"].Wrong("the sizes of a weight");
        var count = Int128.One;
        foreach (var size in shape) count = count > long.MaxValue ? count : count * size;
        if (count > long.MaxValue || TensorParts.Count((long)count, 2) != bytes.numel())
            throw new QuantizationException($"{path}.weight has {bytes.numel()} bytes, but [{string.Join(", ", shape)}] values of four bits take another number: the file is damaged.");
        var blocks = TensorParts.Count((long)count, blockSize);
        var table = Values.Expect(read("weight.quant_map"), $"{path}.weight.quant_map", ScalarType.Float32, 16);
        if (state["nested_blocksize"].IsNull)
        {
            var scales = Values.Expect(read("weight.absmax"), $"{path}.weight.absmax", ScalarType.Float32, blocks);
            return new(code, shape, type, blockSize, bytes, scales, table, null);
        }
        var nestedSize = state["nested_blocksize"].AsInt();
        if (nestedSize < 1) throw state["nested_blocksize"].Wrong("positive");
        var offset = state["nested_offset"].AsDouble();
        if (!float.IsFinite((float)offset)) throw state["nested_offset"].Wrong("a finite number");
        var nested = new Nested(
            Values.Expect(read("weight.nested_absmax"), $"{path}.weight.nested_absmax", ScalarType.Float32, TensorParts.Count(blocks, nestedSize)),
            Values.Expect(read("weight.nested_quant_map"), $"{path}.weight.nested_quant_map", ScalarType.Float32, 256), (float)offset, nestedSize);
        return new(code, shape, type, blockSize, bytes, Values.Expect(read("weight.absmax"), $"{path}.weight.absmax", ScalarType.Byte, blocks), table, nested);
    }

    /// <summary>The scales of scales.</summary>
    private sealed record Nested(Tensor Absmax, Tensor Table, float Offset, int BlockSize)
    {
        public static Nested Of(ref Tensor scales)
        {
            var offset = scales.mean();
            var (codes, absmax) = DynamicCode.Quantize(scales.sub(offset), DynamicCode.Signed, NestedBlock);
            scales = codes;
            return new(absmax, tensor(DynamicCode.Signed, device: codes.device), offset.item<float>(), NestedBlock);
        }

        public Tensor Scales(Tensor codes) => DynamicCode.Dequantize(codes, Absmax, Table, BlockSize).add_(Constant(Offset), One);

        public void Keep()
        {
            Absmax.Keep();
            Table.Keep();
        }

        public Nested To(Device device) => this with { Absmax = Absmax.to(device), Table = Table.to(device) };
    }
}
