namespace Peft;

/// <summary>Options of weight-update methods that can also train biases.</summary>
public abstract record BiasedUpdateOptions : WeightUpdateOptions
{
    private protected BiasedUpdateOptions(string peftType) : base(peftType) { }

    /// <summary>
    /// Biases of the model to train as well: <c>none</c>, <c>all</c>, or those of the targets: <c>lora_only</c>, <c>vera_only</c>, …, named after the method.
    /// </summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    protected sealed override string BiasMode => Bias;
}
