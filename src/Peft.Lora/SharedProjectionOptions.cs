namespace Peft;

/// <summary>Options shared by VeRA and PVeRA: random projections that all layers share, with trained vectors b and d.</summary>
[FanInFanOut]
public abstract record SharedProjectionOptions : BiasedOptions
{
    private protected SharedProjectionOptions(string peftType) : base(peftType) { }

    /// <summary>Rank of the shared projections. They are frozen, so a large rank adds few trainable parameters.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 256;

    /// <summary>Seed of the shared projections.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionSeed { get; init; }

    /// <summary>True to save the projections; otherwise they are regenerated from the seed on load.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Initial value of the elements of d.</summary>
    [JsonPropertyName("d_initial")] public double InitialD { get; init; } = 0.1;

    /// <summary>True to initialize the adapter as a no-op (b is zero); false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Vera) ?? base.DefaultTargets(model);
}
