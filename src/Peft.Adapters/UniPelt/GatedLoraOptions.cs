namespace Peft;

/// <summary>
/// LoRA with an update that is scaled by a learned gate, as in UniPELT (Mao et al. 2021, arXiv:2110.07577): W·x + g·B·A·x. g is the mean of σ(w·x + c) over the
/// sequence, or in a causal model over the positions that each position attends to. Not mergeable.
/// </summary>
/// <remarks>As in the Adapters library, the gate replaces the constant scaling, so there is no alpha. Hugging Face PEFT has no such method.</remarks>
[MethodDescription("Gated LoRA", "W·x + g·B·A·x, g = mean σ(w·x)", "Mao et al. 2021, arXiv:2110.07577")]
[SupportedModules(ModuleKinds.Linear)]
public sealed record GatedLoraOptions() : TargetedOptions("GATED_LORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1). It does not apply to the gate's input.</summary>
    [JsonPropertyName("dropout"), Probability] public double Dropout { get; init; }

    protected override AdapterLayer CreateLayer(Target target) => new GatedLoraLayer(target, this);
}
