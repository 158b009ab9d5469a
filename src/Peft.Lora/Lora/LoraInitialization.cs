using System.Text.Json;

namespace Peft;

/// <summary>Initialization of LoRA's factors: <c>init_lora_weights</c>, which is true, false or a name in Hugging Face PEFT's files.</summary>
[JsonConverter(typeof(Converter))]
[TypeConverter(typeof(TextConverter<LoraInitialization>))]
public sealed record LoraInitialization
{
    private LoraInitialization(string name) => Name = name;

    /// <summary>The name in a file; <c>true</c> and <c>false</c> for the two initializations that are booleans there.</summary>
    public string Name { get; }

    /// <summary>A Kaiming-uniform, B zero: the adapter is initialized as a no-op.</summary>
    public static LoraInitialization Default { get; } = new("true");

    /// <summary>Both random, for tests: the adapter changes the model's outputs before any training.</summary>
    public static LoraInitialization Random { get; } = new("false");

    /// <summary>A normally distributed with standard deviation 1/r, B zero.</summary>
    public static LoraInitialization Gaussian { get; } = new("gaussian");

    /// <summary>A and B from orthogonal rows of one matrix: B·A is zero, but neither factor is. Needs an even rank.</summary>
    public static LoraInitialization Orthogonal { get; } = new("orthogonal");

    /// <summary>PiSSA: the principal singular vectors of the weight (Meng et al. 2024, arXiv:2404.02948) are trained, the rest is frozen.</summary>
    public static LoraInitialization Pissa { get; } = new("pissa");

    /// <summary>OLoRA: the leading columns of the weight's QR decomposition (Büyükakyüz 2024, arXiv:2406.01775).</summary>
    public static LoraInitialization Olora { get; } = new("olora");

    /// <summary>MiCA: B has the left singular vectors of the weight with the smallest singular values, and is frozen; A begins as zero (arXiv:2604.01694).</summary>
    public static LoraInitialization Mica { get; } = new("mica");

    /// <summary>EVA: the principal components of each module's inputs (Paischer et al. 2024, arXiv:2410.07170), computed by <c>InitializeEva</c>.</summary>
    public static LoraInitialization Eva { get; } = new("eva");

    /// <summary>
    /// CorDA: the components of the weight that matter most, or least, for sampled inputs (Yang et al. 2024, arXiv:2406.05223), computed by
    /// <c>InitializeCorda</c>.
    /// </summary>
    public static LoraInitialization Corda { get; } = new("corda");

    /// <summary>LoRA-GA: singular vectors of the weights' gradients (Wang et al. 2024, arXiv:2407.05000), computed by <c>InitializeLoraGa</c>.</summary>
    public static LoraInitialization LoraGa { get; } = new("lora_ga");

    /// <summary>LoftQ: a low-rank approximation of the weight's quantization error (Li et al. 2023, arXiv:2310.08659), computed by <c>ApplyLoftQ</c> or <c>InitializeLoftQ</c>.</summary>
    public static LoraInitialization Loftq { get; } = new("loftq");

    /// <summary>PiSSA by a randomized SVD with the given number of power iterations: an approximation that is much faster for large weights.</summary>
    public static LoraInitialization PissaByIterations(int iterations) => new($"pissa_niter_{iterations}");

    /// <summary>Number of power iterations of <see cref="PissaByIterations"/>; null for other initializations.</summary>
    internal int? Iterations => Name.StartsWith("pissa_niter_", StringComparison.Ordinal) && int.TryParse(Name.AsSpan(12), out var count) ? count : null;

    /// <summary>True if the product of the initial factors is subtracted from the weight, so that the untrained adapter is a no-op.</summary>
    internal bool ReplacesBase => this == Pissa || this == Olora || this == Corda || this == LoraGa || Iterations is not null;

    internal bool IsKnown => Iterations is not null || this == Default || this == Random || this == Gaussian || this == Orthogonal
                             || this == Pissa || this == Olora || this == Mica || this == Eva || this == Corda || this == LoraGa || this == Loftq;

    public override string ToString() => Name;

    private sealed class Converter : JsonConverter<LoraInitialization>
    {
        public override LoraInitialization Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => reader.TokenType switch
        {
            JsonTokenType.True => Default,
            JsonTokenType.False => Random,
            JsonTokenType.String => new LoraInitialization(Usual(reader.GetString()!)),
            _ => throw new JsonException("init_lora_weights must be true, false or a name."),
        };

        // Hugging Face PEFT reads these names in any case.
        private static string Usual(string name) => name.ToLowerInvariant() is "gaussian" or "olora" or "mica" ? name.ToLowerInvariant() : name;

        public override void Write(Utf8JsonWriter writer, LoraInitialization value, JsonSerializerOptions options)
        {
            if (value == Default || value == Random) writer.WriteBooleanValue(value == Default);
            else writer.WriteStringValue(value.Name);
        }
    }
}
