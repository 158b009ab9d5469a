namespace Peft;

/// <summary>
/// Cartridge (Eyuboglu et al. 2025, arXiv:2506.06266): a trained KV cache that represents a long text. The first tokens are frozen,
/// since they act as attention sinks. Initialize it from the text.
/// </summary>
[MethodDescription("Cartridge", "K ← [Pₖ; K], V ← [Pᵥ; V]", "Eyuboglu et al. 2025, arXiv:2506.06266")]
[LearningRate(5e-3)]
public sealed record CartridgeOptions() : KeyValueOptions("CARTRIDGE")
{
    /// <summary>Number of leading virtual tokens that are frozen.</summary>
    [JsonPropertyName("num_frozen_tokens")] public int FrozenTokens { get; init; } = 1;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (FrozenTokens < 0 || FrozenTokens > (VirtualTokens ?? int.MaxValue)) yield return $"FrozenTokens must be at least 0 and at most the {VirtualTokens} virtual tokens, but was {FrozenTokens}.";
    }

    protected override PromptLayer Create(ModelTree model) => new CartridgeLayer(model, this);
}
