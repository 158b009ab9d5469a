namespace Peft;

/// <summary>Extension methods that apply ReFT to any model.</summary>
public static class ReftExtensions
{
    /// <summary>Freezes a model and adds a LoReFT adapter to it (Wu et al. 2024): hidden states are changed in an orthonormal subspace.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the change. At least 1.</param>
    /// <param name="prefixPositions">Number of positions at the beginning of each row that are changed.</param>
    /// <param name="suffixPositions">Number of positions at the end of each row that are changed.</param>
    /// <param name="layers">Indices of the layers after which hidden states are changed; null for all.</param>
    /// <param name="targets">Modules whose outputs are changed, for models that are not transformers of a known architecture.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    /// <exception cref="TargetNotFoundException">The architecture is unknown and no targets are given, or no module matches them.</exception>
    public static PeftModel ApplyLoReft(this nn.Module model, int rank = 1, int prefixPositions = 3, int suffixPositions = 0, IReadOnlyList<int>? layers = null, ModuleSelector? targets = null)
        => Apply(ReftOptions.LoReft, model, rank, prefixPositions, suffixPositions, layers, targets);

    /// <summary>Freezes a model and adds a NoReFT adapter to it (Wu et al. 2024): LoReFT in a subspace that need not be orthonormal.</summary>
    /// <inheritdoc cref="ApplyLoReft"/>
    public static PeftModel ApplyNoReft(this nn.Module model, int rank = 1, int prefixPositions = 3, int suffixPositions = 0, IReadOnlyList<int>? layers = null, ModuleSelector? targets = null)
        => Apply(ReftOptions.NoReft, model, rank, prefixPositions, suffixPositions, layers, targets);

    /// <summary>Freezes a model and adds a DiReFT adapter to it (Wu et al. 2024): a low-rank change is added to hidden states.</summary>
    /// <inheritdoc cref="ApplyLoReft"/>
    public static PeftModel ApplyDiReft(this nn.Module model, int rank = 1, int prefixPositions = 3, int suffixPositions = 0, IReadOnlyList<int>? layers = null, ModuleSelector? targets = null)
        => Apply(ReftOptions.DiReft, model, rank, prefixPositions, suffixPositions, layers, targets);

    private static PeftModel Apply(ReftOptions options, nn.Module model, int rank, int prefixPositions, int suffixPositions, IReadOnlyList<int>? layers, ModuleSelector? targets)
        => model.ApplyAdapter(options with { Rank = rank, PrefixPositions = prefixPositions, SuffixPositions = suffixPositions, Layers = layers, TargetModules = targets });
}
