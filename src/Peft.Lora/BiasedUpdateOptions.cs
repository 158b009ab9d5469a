using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Options of the methods of this package that may train biases beside the weight updates.</summary>
public abstract record BiasedUpdateOptions : WeightUpdateOptions
{
    private protected BiasedUpdateOptions(string peftType) : base(peftType) { }

    /// <summary>Which biases are trained as well: <c>none</c>, <c>all</c>, or those of the targets, by the method's name: <c>lora_only</c>, <c>vera_only</c>, …</summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    /// <inheritdoc/>
    protected sealed override string BiasMode => Bias;
}
