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
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1). It does not apply to the gate's input.</summary>
    [JsonPropertyName("dropout")] public double Dropout { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Rank < 1) yield return $"Rank must be at least 1, but was {Rank}.";
        if (!(Dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {Dropout}.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(targets);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        return ([.. targets.Select(target => new GatedLoraLayer(target, this))], null);
    }
}
