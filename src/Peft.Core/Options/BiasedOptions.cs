using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Base of the options of methods that can also train biases of the model.</summary>
public abstract record BiasedOptions : TargetedOptions
{
    /// <inheritdoc/>
    protected BiasedOptions(string peftType) : base(peftType) { }

    /// <summary>
    /// Biases of the model to train as well: <c>none</c>, <c>all</c>, or those of the targets: <c>lora_only</c>, <c>oft_only</c>, …, named after the method.
    /// </summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    private protected sealed override string BiasMode => Bias;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (!(Bias is "none" or "all" || Bias?.EndsWith("_only", StringComparison.OrdinalIgnoreCase) == true))
            yield return $"Bias must be 'none', 'all' or '{PeftType.ToLowerInvariant()}_only', but was '{Bias}'.";
    }
}
