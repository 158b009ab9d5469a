using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>How LoRA's factors start: <c>init_lora_weights</c>, which Hugging Face spells as true, false or a name.</summary>
[JsonConverter(typeof(Converter))]
[TypeConverter(typeof(TextConverter<LoraInitialization>))]
public sealed record LoraInitialization
{
    private LoraInitialization(string name) => Name = name;

    /// <summary>The name in a file; <c>true</c> and <c>false</c> for the two that have none.</summary>
    public string Name { get; }

    /// <summary>A by Kaiming's rule, B zero: the adapter changes nothing until it is trained.</summary>
    public static LoraInitialization Default { get; } = new("true");

    /// <summary>Both random: for tests, since the adapter changes the model at once.</summary>
    public static LoraInitialization Random { get; } = new("false");

    /// <summary>A normal with deviation 1/r, B zero.</summary>
    public static LoraInitialization Gaussian { get; } = new("gaussian");

    /// <summary>A and B from orthogonal rows of one matrix, so that B·A is zero but neither factor is. Needs an even rank.</summary>
    public static LoraInitialization Orthogonal { get; } = new("orthogonal");

    /// <summary>The principal singular vectors of the weight (Meng et al. 2024, arXiv:2404.02948): they are trained, the rest is frozen.</summary>
    public static LoraInitialization Pissa { get; } = new("pissa");

    /// <summary>The leading columns of the weight's QR decomposition (Büyükakyüz 2024, arXiv:2406.01775).</summary>
    public static LoraInitialization Olora { get; } = new("olora");

    /// <summary>The principal directions of each module's inputs (Paischer et al. 2024, arXiv:2410.07170), found by <c>InitializeEva</c>.</summary>
    public static LoraInitialization Eva { get; } = new("eva");

    /// <summary>The weight's directions that matter most, or least, for sampled inputs (Yang et al. 2024, arXiv:2406.05223), found by <c>InitializeCorda</c>.</summary>
    public static LoraInitialization Corda { get; } = new("corda");

    /// <summary>PiSSA by a randomised decomposition with some power iterations: much faster on large weights, and close.</summary>
    public static LoraInitialization PissaByIterations(int iterations) => new($"pissa_niter_{iterations}");

    /// <summary>Power iterations of <see cref="PissaByIterations"/>; null for other kinds.</summary>
    internal int? Iterations => Name.StartsWith("pissa_niter_", StringComparison.Ordinal) && int.TryParse(Name.AsSpan(12), out var count) ? count : null;

    /// <summary>Whether the start is taken out of the base weight, so that only changes count.</summary>
    internal bool ReplacesBase => this == Pissa || this == Olora || this == Corda || Iterations is not null;

    internal bool IsKnown => Iterations is not null || this == Default || this == Random || this == Gaussian || this == Orthogonal
                             || this == Pissa || this == Olora || this == Eva || this == Corda;

    /// <inheritdoc/>
    public override string ToString() => Name;

    private sealed class Converter : JsonConverter<LoraInitialization>
    {
        public override LoraInitialization Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => reader.TokenType switch
        {
            JsonTokenType.True => Default,
            JsonTokenType.False => Random,
            JsonTokenType.String => new LoraInitialization(reader.GetString()!),
            _ => throw new JsonException("init_lora_weights must be true, false or a name."),
        };

        public override void Write(Utf8JsonWriter writer, LoraInitialization value, JsonSerializerOptions options)
        {
            if (value == Default || value == Random) writer.WriteBooleanValue(value == Default);
            else writer.WriteStringValue(value.Name);
        }
    }
}
