namespace Peft;

/// <summary>Options of the methods that rotate inputs.</summary>
public abstract record RotationOptions : BiasedOptions
{
    private protected RotationOptions(string peftType) : base(peftType) { }

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;
}
