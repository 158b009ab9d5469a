using Peft.Kernels;
using Peft.Quantization.Gguf;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>Random matrices of every kind.</summary>
internal static class Matrices
{
    /// <summary>All kinds and their settings.</summary>
    public static readonly string[] All =
    [
        "nf4 64", "nf4 32", "nf4 128", "nf4 4096", "nf4 64 double", "nf4 32 double", "fp4 64", "fp4 32 double", "nf4 64 bfloat16", "fp4 64 float16", "int8", "int8 bfloat16", "dynamic8 256", "dynamic8 32", "fp8 128", "fp8 0", "fp8 24", "fp8 e4m3", "fp8 e5m2",
        .. GgufType.All.Where(type => !type.IsFloat).Select(type => type.Name),
        "gptq 2", "gptq 3", "gptq 4", "gptq 8", "gptq 2 mixed", "gptq 3 mixed", "gptq 4 mixed", "gptq 8 mixed", "gptq 4 rows", "awq", "int4", "int8 packed", "int4 rows", "int8 bytes",
    ];

    /// <summary>True if the kind takes matrices of any size.</summary>
    public static bool TakesAnySize(string kind) => kind.Split(' ')[0] is "nf4" or "fp4" or "dynamic8" or "fp8" || kind is "int8" or "int8 bfloat16" or "int4 rows" or "int8 bytes";

    /// <summary>A matrix whose values are about 0.05. The sizes must suit the kind: multiples of 32, or of 256 for K-quants.</summary>
    public static QuantizedMatrix Of(string kind, long rows, long columns, long seed = 1)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        var parts = kind.Split(' ');
        switch (parts[0])
        {
            case "gptq": return Gptq(int.Parse(parts[1], null), kind.EndsWith("mixed", StringComparison.Ordinal), kind.EndsWith("rows", StringComparison.Ordinal) ? int.MaxValue : 32, rows, columns, generator);
            case "fp8" when parts[1].StartsWith('e'): return Fp8(kind == "fp8 e5m2", rows, columns, generator);
            case "awq": return Awq(rows, columns, generator);
            case "int4" or "int8" when kind is "int4" or "int8 packed": return Integer(kind == "int4" ? 4 : 8, rows, columns, generator);
            case "int4" or "int8" when kind is "int4 rows" or "int8 bytes": return ByRow(kind == "int4 rows", rows, columns, generator);
            case var name when name.StartsWith('Q'): return Gguf(GgufType.All.Single(type => type.Name == name), rows, columns, generator);
        }
        var size = parts.Length > 1 && int.TryParse(parts[1], out var given) ? given : 0;
        QuantizationOptions options = parts[0] switch
        {
            "nf4" => QuantizationOptions.Nf4(kind.EndsWith("double", StringComparison.Ordinal), size),
            "fp4" => QuantizationOptions.Fp4(kind.EndsWith("double", StringComparison.Ordinal), size),
            "int8" => QuantizationOptions.LlmInt8(),
            "dynamic8" => QuantizationOptions.Blockwise(size),
            _ => QuantizationOptions.Fp8(size == 0 ? null : size),
        };
        var type = kind.EndsWith("bfloat16", StringComparison.Ordinal) ? ScalarType.BFloat16 : kind.EndsWith("float16", StringComparison.Ordinal) ? ScalarType.Float16 : ScalarType.Float32;
        return options.Quantize(randn([rows, columns], generator: generator).mul(0.05).to_type(type));
    }

    private static GgufMatrix Gguf(GgufType type, long rows, long columns, Generator generator)
    {
        var blocks = rows * columns / type.BlockSize;
        var bytes = Bytes([blocks, type.BlockBytes], generator);
        // Float16 scales of either sign, in two powers of two: they are multiplied by codes, and in K-quants also by scales of 6 or 8 bits.
        var least = type.Name switch { "Q4_K" or "Q5_K" => 0x08, "Q6_K" => 0x04, _ => 0x18 };
        foreach (var at in type.Name switch { "Q4_1" or "Q5_1" or "Q4_K" or "Q5_K" => new[] { 1, 3 }, "Q6_K" => [209], _ => [1] })
            bytes.select(1, at).copy_(randint(least, least + 4, [blocks], generator: generator).add(randint(0, 2, [blocks], generator: generator), alpha: Constant(128)));
        return new(bytes.view(rows, -1), columns, type);
    }

    // Groups are consecutive inputs, all of them for the largest size, or mixed as with desc_act.
    private static GptqMatrix Gptq(int bits, bool isMixed, int groupSize, long rows, long columns, Generator generator)
    {
        var groups = TensorParts.Count(columns, groupSize);
        var tensors = new Dictionary<string, Tensor>
        {
            ["qweight"] = Words([columns * bits / 32, rows], generator), ["qzeros"] = Words([groups, rows * bits / 32], generator), ["scales"] = Scales([groups, rows], generator, bits),
        };
        if (isMixed) tensors["g_idx"] = randint(0, groups, [columns], ScalarType.Int32, generator: generator);
        return GptqMatrix.Read("case", rows, columns, tensors.GetValueOrDefault, bits, groupSize, 1);
    }

    private static AwqMatrix Awq(long rows, long columns, Generator generator)
    {
        var tensors = new Dictionary<string, Tensor> { ["qweight"] = Words([columns, rows / 8], generator), ["qzeros"] = Words([columns / 32, rows / 8], generator), ["scales"] = Scales([columns / 32, rows], generator) };
        return AwqMatrix.Read("case", rows, columns, tensors.GetValueOrDefault, 32);
    }

    private static IntegerMatrix Integer(int bits, long rows, long columns, Generator generator)
    {
        var tensors = new Dictionary<string, Tensor>
        {
            ["weight_packed"] = Words([rows, columns * bits / 32], generator), ["weight_scale"] = Scales([rows, columns / 32], generator, bits), ["weight_zero_point"] = Words([rows * bits / 32, columns / 32], generator),
        };
        return IntegerMatrix.Read("case", rows, columns, bits, tensors.GetValueOrDefault);
    }

    // A scale in float32 for each output: packed words with padding and no zeros, or bytes with zeros.
    private static IntegerMatrix ByRow(bool packed, long rows, long columns, Generator generator)
    {
        var tensors = new Dictionary<string, Tensor> { ["weight_scale"] = Scales([rows, 1], generator, packed ? 4 : 8).to_type(packed ? ScalarType.Float32 : ScalarType.BFloat16) };
        if (packed) tensors["weight_packed"] = Words([rows, (columns + 7) / 8], generator);
        else (tensors["weight"], tensors["weight_zero_point"]) = (Bytes([rows, columns], generator).to_type(ScalarType.Int8), Bytes([rows, 1], generator).to_type(ScalarType.Int8));
        return IntegerMatrix.Read("case", rows, columns, packed ? 4 : null, tensors.GetValueOrDefault);
    }

    // All finite codes, with a scale for each output.
    private static Float8Matrix Fp8(bool isE5M2, long rows, long columns, Generator generator)
    {
        var codes = Bytes([rows, columns], generator);
        var beyond = codes.bitwise_and(tensor((byte)127)).ge(Constant(isE5M2 ? 124 : 127));
        return Float8Matrix.Read("case", codes.masked_fill(beyond, Constant(3)), Scales([rows, 1], generator), (1, columns), isE5M2);
    }

    private static Tensor Bytes(long[] shape, Generator generator) => randint(0, 256, shape, ScalarType.Byte, generator: generator);

    private static Tensor Words(long[] shape, Generator generator) => randint(-(1L << 31), 1L << 31, shape, ScalarType.Int64, generator: generator).to_type(ScalarType.Int32);

    private static Tensor Scales(long[] shape, Generator generator, int bits = 4) => rand(shape, generator: generator).mul(0.01).add(Constant(0.001), One).mul(Math.Pow(2, 4 - bits)).to_type(ScalarType.Float16);
}
