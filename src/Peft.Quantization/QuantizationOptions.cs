using System.ComponentModel;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>How the linear modules of a model are quantized. In settings, a text: <c>nf4</c>, <c>nf4_double</c>, <c>fp4</c>, <c>fp4_double</c>, <c>llm_int8</c>, <c>blockwise</c> or <c>fp8</c>; <c>nf4+llm_int8</c> with <see cref="Embeddings"/> of the second kind.</summary>
[TypeConverter(typeof(QuantizationText))]
public abstract record QuantizationOptions
{
    private protected QuantizationOptions() { }

    /// <summary>
    /// Modules that are not quantized, by path or the last parts of it (<c>llm_int8_skip_modules</c>). Heads, embeddings (but for <see cref="Embeddings"/>) and norms always do, and so
    /// does what shares a weight with them.
    /// </summary>
    public IReadOnlyList<string> SkipModules { get; init; } = [];

    /// <summary>
    /// How the token embedding and the language-model head are quantized, once if they are tied: in a small model they are most of the memory and of the time per token. Null, the default: they stay as they
    /// are, as in transformers, whose checkpoints cannot hold them in another form.
    /// </summary>
    public QuantizationOptions? Embeddings { get; init; }

    /// <summary>Bits per value, scales included, for large matrices.</summary>
    public abstract double BitsPerValue { get; }

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="values">The values <c>[out, in]</c>, on any device.</param>
    /// <exception cref="QuantizationException">The values are not finite.</exception>
    /// <exception cref="ArgumentException">The values are no matrix, or a setting is out of range.</exception>
    public QuantizedMatrix Quantize(Tensor values)
    {
        Values.Require(values);
        Validate();
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Create(values.detach());
    }

    /// <summary>NF4 (Dettmers et al. 2023, arXiv:2305.14314): 16 values that suit normally distributed weights, scaled by block.</summary>
    /// <param name="doubleQuantization">True to quantize the scales too, which saves 0.37 bits per value.</param>
    /// <param name="blockSize">Values per scale: a power of two from 32 to 4096.</param>
    public static FourBitOptions Nf4(bool doubleQuantization = false, int blockSize = 64) => new() { DoubleQuantization = doubleQuantization, BlockSize = blockSize };

    /// <summary>FP4: sign, two bits of exponent and one of fraction, scaled by block.</summary>
    /// <param name="doubleQuantization">True to quantize the scales too.</param>
    /// <param name="blockSize">Values per scale: a power of two from 32 to 4096.</param>
    public static FourBitOptions Fp4(bool doubleQuantization = false, int blockSize = 64) => Nf4(doubleQuantization, blockSize) with { Code = FourBitCode.Fp4 };

    /// <summary>LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339): 8-bit integers, scaled by row.</summary>
    public static Int8Options LlmInt8() => new();

    /// <summary>8 bits of a dynamic code (Dettmers et al. 2021, arXiv:2110.02861), scaled by block.</summary>
    /// <param name="blockSize">Values per scale.</param>
    public static BlockwiseOptions Blockwise(int blockSize = 256) => new() { BlockSize = blockSize };

    /// <summary>FP8 (e4m3), scaled by tile.</summary>
    /// <param name="tile">Rows and columns of a tile; null for one scale.</param>
    public static Float8Options Fp8(int? tile = 128) => new() { Tile = tile };

    /// <summary>GPTQ (Frantar et al. 2022, arXiv:2210.17323), which needs samples: <see cref="ModelCalibration"/>.</summary>
    /// <param name="bits">Bits per value: 2, 3, 4 or 8.</param>
    /// <param name="groupSize">Inputs that share a scale, or -1 for all.</param>
    /// <param name="activationOrder">True to quantize the inputs with the largest activations first (<c>desc_act</c>).</param>
    /// <param name="isSymmetric">True for the same grid on both sides of 0; false for a zero of each group.</param>
    public static GptqOptions Gptq(int bits = 4, int groupSize = 128, bool activationOrder = false, bool isSymmetric = true) => new() { Bits = bits, GroupSize = groupSize, ActivationOrder = activationOrder, IsSymmetric = isSymmetric };

    /// <summary>AWQ of 4 bits (Lin et al. 2023, arXiv:2306.00978), which needs samples: <see cref="ModelCalibration"/>.</summary>
    /// <param name="groupSize">Inputs that share a scale, or -1 for all.</param>
    public static AwqOptions Awq(int groupSize = 128) => new() { GroupSize = groupSize };

    /// <summary>The reason that values cannot be quantized, as it follows the name of a weight; null if they can.</summary>
    internal virtual string? WhyNot(Tensor values) => Values.IsFinite(values) ? null : "holds values that are not finite, so that it has no quantized form";

    /// <summary>Errors of settings that are out of range.</summary>
    private protected abstract IEnumerable<string> Errors();

    private protected abstract QuantizedMatrix Create(Tensor values);

    internal void Validate()
    {
        string[] errors = [.. Errors(), .. NameErrors(), .. EmbeddingErrors()];
        if (errors.Length > 0) throw new ArgumentException(string.Join(' ', errors));
    }

    private IEnumerable<string> NameErrors()
    {
        if (SkipModules is null) yield return "SkipModules is null.";
        else if (SkipModules.Any(string.IsNullOrWhiteSpace)) yield return "SkipModules has an empty name.";
    }

    private IEnumerable<string> EmbeddingErrors()
    {
        if (Embeddings is null) yield break;
        foreach (var error in Embeddings.Errors()) yield return "Embeddings: " + error;
        if (Embeddings.Embeddings is not null) yield return "Embeddings has Embeddings of its own: leave them out.";
        if (Embeddings.SkipModules is not { Count: 0 }) yield return "Embeddings has SkipModules of its own: name all modules in those of the whole.";
    }

    private protected static IEnumerable<string> BlockErrors(int size)
    {
        if (size < 32 || size > 4096 || !int.IsPow2(size)) yield return $"BlockSize must be a power of two from 32 to 4096, but was {size}.";
    }
}
