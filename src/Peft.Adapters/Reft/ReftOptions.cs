namespace Peft;

/// <summary>
/// ReFT, representation fine-tuning (Wu et al. 2024, arXiv:2404.03592): the hidden states after transformer layers are changed in a subspace of low rank, at a
/// few positions. Fields and defaults match the Adapters library. Not mergeable.
/// </summary>
/// <remarks>
/// <para>Positions count a row's real tokens: neither padding nor virtual tokens, and in a packed row from the beginning of each sequence. Tokens that are generated with a
/// cache are not changed, unless they are among the first <see cref="PrefixPositions"/>: the last positions are those of the prompt.
/// In training they are those of the whole row, so <see cref="SuffixPositions"/> suits encoders and classifiers.</para>
/// <para>In a known architecture, the hidden states are those at the end of a layer. Where dropout follows a layer's feed-forward network, the change is made before it.
/// At other modules, set by <see cref="TargetedOptions.TargetModules"/>, their output <c>[batch, sequence, hidden]</c> is changed.</para>
/// </remarks>
[MethodDescription("ReFT (LoReFT, NoReFT, DiReFT)", "h + Rᵀ·(W·h + b − R·h) at some positions", "Wu et al. 2024, arXiv:2404.03592")]
[LearningRate(9e-4)]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding | ModuleKinds.Norm)]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
public sealed record ReftOptions : TargetedOptions
{
    /// <summary>The defaults: LoReFT.</summary>
    public ReftOptions() : base("REFT") { }

    /// <summary>LoReFT: h + Rᵀ·(W·h + b − R·h), with orthonormal rows of R.</summary>
    public static ReftOptions LoReft => new();

    /// <summary>NoReFT: the same, with any R.</summary>
    public static ReftOptions NoReft => new() { IsOrthogonal = false };

    /// <summary>DiReFT: h + Rᵀ·(W·h + b), with any R.</summary>
    public static ReftOptions DiReft => NoReft with { SubtractsProjection = false };

    /// <summary>Indices of the layers after which hidden states are changed; null for all.</summary>
    [JsonPropertyName("layers"), JsonConverter(typeof(AllOrSome))] public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>Number of positions at the beginning of each row that are changed.</summary>
    [JsonPropertyName("prefix_positions"), AtLeast(0)] public int PrefixPositions { get; init; } = 3;

    /// <summary>Number of positions at the end of each row that are changed. A position that is also among the first ones is changed as one of the last.</summary>
    [JsonPropertyName("suffix_positions"), AtLeast(0)] public int SuffixPositions { get; init; }

    /// <summary>Rank of the change: the number of rows of R and W. At least 1, and below the width of the model.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 1;

    /// <summary>True to keep the rows of R orthonormal.</summary>
    [JsonPropertyName("orthogonality")] public bool IsOrthogonal { get; init; } = true;

    /// <summary>True if the first and the last positions share R, W and b.</summary>
    [JsonPropertyName("tied_weights")] public bool TiesWeights { get; init; }

    /// <summary>True to subtract R·h, so that the subspace's values are replaced.</summary>
    [JsonPropertyName("subtract_projection")] public bool SubtractsProjection { get; init; } = true;

    /// <summary>Dropout probability of the changed hidden states during training.</summary>
    [JsonPropertyName("dropout"), Probability] public double Dropout { get; init; } = 0.05;

    /// <summary>Activation function of W·h + b: <c>relu</c>, <c>gelu</c>, <c>swish</c>, …; null for none.</summary>
    [JsonPropertyName("non_linearity")] public string? NonLinearity { get; init; }

    // Preserved for the Adapters library: here the dtype follows from the model's, and AdapterOptions.InitializationSeed is used.
    [JsonInclude, JsonPropertyName("dtype")] internal string? SavedType { get; init; }
    [JsonInclude, JsonPropertyName("output_reft")] internal bool AfterLayers { get; init; } = true;
    [JsonInclude, JsonPropertyName("init_weights_seed")] internal int? SavedSeed { get; init; }

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (this is { PrefixPositions: 0, SuffixPositions: 0 }) yield return "PrefixPositions and SuffixPositions are both 0: no position would be changed.";
        if (NonLinearity is { } name && !Nonlinearity.IsKnown(name)) yield return $"NonLinearity '{name}' is not known. Known are {string.Join(", ", Nonlinearity.Names)}.";
        if (Layers is { Count: 0 }) yield return "Layers is empty: name layers, or leave it null for all.";
        if (Layers?.Any(layer => layer < 0) == true) yield return $"Layers must not be negative, but was [{string.Join(", ", Layers)}].";
        if (!AfterLayers) yield return "output_reft is false: the adapter would be empty.";
    }

    protected override ModuleSelector? DefaultTargets(ModelTree model)
    {
        string[] paths = [.. BlockEnd.In(model).Select(found => found.Target.Path)];
        return paths.Length == 0 ? null : ModuleSelector.Create(paths);
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(model);
        var known = BlockEnd.In(model).ToDictionary(found => found.Target);
        var used = targets.Where(target => Layers is null || target.Layer is { } layer && Layers.Contains(layer)).ToList();
        int[] absent = [.. (Layers ?? []).Except(used.Select(target => target.Layer ?? -1))];
        if (absent.Length > 0) throw new TargetNotFoundException($"Layers [{string.Join(", ", absent)}] are not in this {model.Model.GetType().Name}, whose targets are in the layers [{string.Join(", ", targets.Select(target => target.Layer).Distinct())}].");
        return (used.SelectMany(target => known.TryGetValue(target, out var end) ? end.Layers(this, model) : [new ReftLayer(target, this, [])]), null);
    }
}
