namespace Peft;

/// <summary>Options of the methods that rotate inputs, which can also train biases.</summary>
public abstract record RotationOptions : TargetedOptions
{
    private protected RotationOptions(string peftType) : base(peftType) { }

    /// <summary>Biases of the model to train as well: <c>none</c>, <c>all</c>, or those of the targets: <c>oft_only</c>, <c>hra_only</c>, …, named after the method.</summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected sealed override string BiasMode => Bias;
}
