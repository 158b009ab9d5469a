namespace Peft;

/// <summary>Options of the methods that rotate inputs, which can also train biases.</summary>
public abstract record RotationOptions : TargetedOptions
{
    private protected RotationOptions(string peftType) : base(peftType) { }

    /// <summary>Biases of the model to train as well: <c>none</c>, <c>all</c>, or those of the targets: <c>oft_only</c>, <c>hra_only</c>, …, named after the method.</summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    protected sealed override string BiasMode => Bias;
}
