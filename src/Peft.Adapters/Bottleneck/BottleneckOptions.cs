namespace Peft;

/// <summary>
/// Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751): small networks with a narrow hidden layer, after attention and
/// feed-forward networks or in parallel to them. Fields and defaults match the Adapters library. The default is the adapter of
/// Pfeiffer et al. (2020, arXiv:2005.00247). Not mergeable.
/// </summary>
/// <remarks>
/// In a known architecture the adapters attach to the output projections of attention and feed-forward networks, before dropout. At
/// other modules, set by <see cref="TargetedOptions.TargetModules"/>, no residual stream is known: only the residual connection around the
/// bottleneck applies there, and a parallel adapter runs in parallel to the module itself.
/// </remarks>
[MethodDescription("Bottleneck adapter", "y + U·σ(D·y)", "Houlsby et al. 2019, arXiv:1902.00751")]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding | ModuleKinds.Norm)]
public sealed record BottleneckOptions : TargetedOptions, IChoosesLearningRate, INeedsNoTargets, ILimitsModules
{
    /// <summary>The defaults: one adapter per layer, after the feed-forward network.</summary>
    public BottleneckOptions() : base("BOTTLENECK") { }

    /// <summary>An adapter after attention and one after the feed-forward network (Houlsby et al. 2019, arXiv:1902.00751).</summary>
    public static BottleneckOptions Houlsby => new() { AfterAttention = true, NormBefore = false, NonLinearity = "swish" };

    /// <summary>An adapter after the feed-forward network (Pfeiffer et al. 2020, arXiv:2005.00247).</summary>
    public static BottleneckOptions Pfeiffer => new();

    /// <summary>An adapter in parallel to the feed-forward network, scaled by 4 (He et al. 2021, arXiv:2110.04366).</summary>
    public static BottleneckOptions Parallel => new() { NormBefore = false, IsParallel = true, ReductionFactor = 2, Initialization = "mam_adapter", Scaling = 4 };

    /// <summary>An adapter in parallel to the feed-forward network, with a learned scale (He et al. 2021, arXiv:2110.04366).</summary>
    public static BottleneckOptions ScaledParallel => Parallel with { Scaling = BottleneckScaling.Learned };

    /// <summary><see cref="Houlsby"/> with hypercomplex projections (Mahabadi et al. 2021, arXiv:2106.04647).</summary>
    public static BottleneckOptions Compacter => Houlsby with { IsHypercomplex = true, ReductionFactor = 32, NonLinearity = "gelu" };

    /// <summary><see cref="Pfeiffer"/> with hypercomplex projections (Mahabadi et al. 2021, arXiv:2106.04647).</summary>
    public static BottleneckOptions CompacterPlusPlus => Pfeiffer with { IsHypercomplex = true, ReductionFactor = 32, NonLinearity = "gelu" };

    /// <summary>Adapter+ (Steitz and Roth 2024, arXiv:2406.06820).</summary>
    public static BottleneckOptions AdapterPlus => new()
    {
        NormAfter = false, Residual = BottleneckResidual.AfterNorm, StochasticDepth = 0.1, Initialization = "houlsby", Scaling = BottleneckScaling.PerChannel, ReductionFactor = 96, NonLinearity = "gelu",
    };

    /// <summary>True to add adapters after attention.</summary>
    [JsonPropertyName("mh_adapter")] public bool AfterAttention { get; init; }

    /// <summary>True to add adapters after the feed-forward network.</summary>
    [JsonPropertyName("output_adapter")] public bool AfterFeedForward { get; init; } = true;

    /// <summary>True to add adapters after the cross-attention of a decoder.</summary>
    [JsonPropertyName("cross_adapter")] public bool AfterCrossAttention { get; init; }

    /// <summary>Width of the model divided by the width of the bottlenecks. Below 1, the bottlenecks are wider than the model.</summary>
    [JsonPropertyName("reduction_factor")] public ReductionFactor ReductionFactor { get; init; } = 16;

    /// <summary>Activation function between the projections: <c>relu</c>, <c>gelu</c>, <c>swish</c>, …</summary>
    [JsonPropertyName("non_linearity")] public string NonLinearity { get; init; } = "relu";

    /// <summary>True if the bottleneck reads the output after the model's residual connection and norm (sequential adapters only).</summary>
    [JsonPropertyName("original_ln_before")] public bool NormBefore { get; init; } = true;

    /// <summary>True to apply the model's residual connection and norm after the adapter. Must be true if the architecture has a norm there.</summary>
    [JsonPropertyName("original_ln_after")] public bool NormAfter { get; init; } = true;

    /// <summary>True for an additional layer norm before the bottleneck.</summary>
    [JsonPropertyName("ln_before")] public bool OwnNormBefore { get; init; }

    /// <summary>True for an additional layer norm after the bottleneck.</summary>
    [JsonPropertyName("ln_after")] public bool OwnNormAfter { get; init; }

    /// <summary>
    /// Initialization of the projections: <c>bert</c> (normal, small), <c>mam_adapter</c> (up projection zero, a no-op) or <c>houlsby</c> (truncated normal,
    /// small).
    /// </summary>
    [JsonPropertyName("init_weights"), OneOf("bert", "mam_adapter", "houlsby")] public string Initialization { get; init; } = "bert";

    // Preserved for the Adapters library. Here AdapterOptions.InitializationSeed is used.
    [JsonInclude, JsonPropertyName("init_weights_seed")] internal int? SavedSeed { get; init; }

    /// <summary>True to run the bottleneck in parallel to the sub-block, on the residual stream.</summary>
    [JsonPropertyName("is_parallel")] public bool IsParallel { get; init; }

    /// <summary>Factor on the bottleneck's output.</summary>
    [JsonPropertyName("scaling")] public BottleneckScaling Scaling { get; init; } = 1;

    /// <summary>
    /// True to scale the output by a learned gate: σ of a linear function of the bottleneck's input, averaged over the sequence, or in a causal model over
    /// the positions that each position attends to (Mao et al. 2021, arXiv:2110.07577).
    /// </summary>
    [JsonPropertyName("use_gating")] public bool UseGating { get; init; }

    /// <summary>Where the residual connection around the bottleneck begins, with <see cref="NormBefore"/>.</summary>
    [JsonPropertyName("residual_before_ln")] public BottleneckResidual Residual { get; init; }

    /// <summary>True to add that residual before the additional norm after the bottleneck.</summary>
    [JsonPropertyName("adapter_residual_before_ln")] public bool ResidualBeforeOwnNorm { get; init; }

    /// <summary>Invertible adapter around the embeddings: <c>nice</c> or <c>glow</c>; null for none (Pfeiffer et al. 2020, arXiv:2005.00052).</summary>
    [JsonPropertyName("inv_adapter"), OneOf("nice", "glow", null)] public string? Invertible { get; init; }

    /// <summary>Input width of the invertible adapter's networks divided by their hidden width; 2 if null.</summary>
    [JsonPropertyName("inv_adapter_reduction_factor"), Above(0)] public double? InvertibleReductionFactor { get; init; }

    /// <summary>Indices of layers without adapters (AdapterDrop).</summary>
    [JsonPropertyName("leave_out")] public IReadOnlyList<int> LeaveOut { get; init; } = [];

    /// <summary>Dropout probability of the bottleneck's output during training.</summary>
    [JsonPropertyName("dropout"), Probability] public double Dropout { get; init; }

    /// <summary>Probability of skipping a bottleneck for a sequence during training.</summary>
    [JsonPropertyName("stochastic_depth"), Probability] public double StochasticDepth { get; init; }

    /// <summary>True for projections that are sums of Kronecker products (compacter).</summary>
    [JsonPropertyName("phm_layer")] public bool IsHypercomplex { get; init; }

    /// <summary>Number n of Kronecker terms and size n×n of their rules. It must divide the widths of the model and of the bottlenecks.</summary>
    [JsonPropertyName("phm_dim"), AtLeast(1)] public int HypercomplexSize { get; init; } = 4;

    /// <summary>True to share the rules among all projections.</summary>
    [JsonPropertyName("shared_phm_rule")] public bool SharesRule { get; init; } = true;

    /// <summary>True to factorize each rule into a column and a row.</summary>
    [JsonPropertyName("factorized_phm_rule")] public bool FactorizesRule { get; init; }

    /// <summary>True to train the rules.</summary>
    [JsonPropertyName("learn_phm")] public bool TrainsRule { get; init; } = true;

    /// <summary>True to factorize the other factors at a low rank, <see cref="HypercomplexRank"/>.</summary>
    [JsonPropertyName("factorized_phm_W")] public bool FactorizesWeights { get; init; } = true;

    /// <summary>True to share the other factors among all layers.</summary>
    [JsonPropertyName("shared_W_phm")] public bool SharesWeights { get; init; }

    /// <summary>Rank of the other factors with <see cref="FactorizesWeights"/>.</summary>
    [JsonPropertyName("phm_rank"), AtLeast(1)] public int HypercomplexRank { get; init; } = 1;

    /// <summary>Initialization of the rules: <c>normal</c> or <c>uniform</c>.</summary>
    [JsonPropertyName("phm_c_init"), OneOf("normal", "uniform")] public string RuleInitialization { get; init; } = "normal";

    /// <summary>Standard deviation of a shared rule's initialization.</summary>
    [JsonPropertyName("phm_init_range")] public double RuleDeviation { get; init; } = 1e-4;

    /// <summary>Preserved but not used: the other factors are initialized Glorot-normal, which the Adapters library does too whatever the value.</summary>
    [JsonPropertyName("hypercomplex_nonlinearity")] public string WeightInitialization { get; init; } = "glorot-uniform";

    /// <summary>True to give hypercomplex projections a bias.</summary>
    [JsonPropertyName("phm_bias")] public bool HypercomplexBias { get; init; } = true;

    LearningRateAttribute IChoosesLearningRate.LearningRate => IsHypercomplex ? new(3e-3) : new(1e-4) { SmallModel = 3e-2 };

    bool INeedsNoTargets.NeedsNoTargets => Invertible is not null;

    // In parallel to a module without a known residual stream, the bottleneck reads the module's input, which must be a vector.
    (ModuleKinds Kinds, string Option)? ILimitsModules.LimitAt(Target target) => IsParallel ? (ModuleKinds.Linear, nameof(IsParallel)) : null;

    protected override IEnumerable<string> Errors() => [.. base.Errors(), .. BottleneckErrors.Of(this)];

    protected override ModuleSelector? DefaultTargets(ModelTree model)
    {
        string[] paths = [.. BottleneckPositions.In(model).Where(found => Stands(found.Position.Place)).Select(found => found.Target.Path)];
        return paths.Length == 0 ? null : ModuleSelector.Create(paths);
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
        => BottleneckPlan.Layers(this, targets, model);

    private bool Stands(BottleneckPlace place) => place switch
    {
        BottleneckPlace.Attention => AfterAttention,
        BottleneckPlace.CrossAttention => AfterCrossAttention,
        _ => AfterFeedForward,
    };
}
