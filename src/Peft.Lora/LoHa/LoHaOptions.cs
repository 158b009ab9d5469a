namespace Peft;

/// <summary>LoHa (Hyeon-Woo et al. 2021, arXiv:2108.06098): W + s·(B₁·A₁)∘(B₂·A₂), of rank up to r², with s = alpha/r. Mergeable.</summary>
[MethodDescription("LoHa", "W + s·(B₁·A₁)∘(B₂·A₂)", "Hyeon-Woo et al. 2021, arXiv:2108.06098")]
[LearningRate(1e-3)]
public sealed record LoHaOptions() : LycorisOptions("LOHA")
{
    /// <summary>True to initialize the adapter as a no-op (one factor is zero); false for random factors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>
    /// True to compute exact gradients with <see cref="LycorisOptions.UseEffectiveConv2d"/>. LyCORIS and Hugging Face PEFT compute the
    /// gradients of w1_a and w2_a with each other's core tensor; false (the default) reproduces that.
    /// </summary>
    [JsonIgnore] public bool ExactGradient { get; init; }

    protected override AdapterLayer CreateLayer(Target target) => new LoHaLayer(target, this);
}
