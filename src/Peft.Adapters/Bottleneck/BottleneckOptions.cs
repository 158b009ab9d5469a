using System.Text.Json.Serialization;
using Peft.Adapters;

namespace Peft;

/// <summary>
/// Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751): small networks, down to a few channels and up again, after attention and
/// feed-forward networks or beside them. Fields and defaults are those of the Adapters library; the defaults are its usual adapter
/// (Pfeiffer et al. 2020, arXiv:2005.00247). Not mergeable.
/// </summary>
/// <remarks>
/// In a known architecture the adapters stand at the output projections of attention and feed-forward networks, before dropout. At
/// other modules, named by <see cref="TargetedOptions.TargetModules"/>, no residual stream is known: there the one around the bottleneck
/// remains, and a parallel adapter runs beside the module itself.
/// </remarks>
[MethodDescription("Bottleneck adapter", "y + U·σ(D·y)", "Houlsby et al. 2019, arXiv:1902.00751")]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding | ModuleKinds.Norm)]
public sealed record BottleneckOptions : TargetedOptions
{
    /// <summary>The defaults: one adapter per layer, after the feed-forward network.</summary>
    public BottleneckOptions() : base("BOTTLENECK") { }

    /// <summary>An adapter after attention and one after the feed-forward network (Houlsby et al. 2019, arXiv:1902.00751).</summary>
    public static BottleneckOptions Houlsby => new() { AfterAttention = true, NormBefore = false, NonLinearity = "swish" };

    /// <summary>An adapter after the feed-forward network (Pfeiffer et al. 2020, arXiv:2005.00247).</summary>
    public static BottleneckOptions Pfeiffer => new();

    /// <summary>An adapter beside the feed-forward network, scaled by 4 (He et al. 2021, arXiv:2110.04366).</summary>
    public static BottleneckOptions Parallel => new() { NormBefore = false, IsParallel = true, ReductionFactor = 2, Initialization = "mam_adapter", Scaling = 4 };

    /// <summary>An adapter beside the feed-forward network with a learned scale (He et al. 2021, arXiv:2110.04366).</summary>
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

    /// <summary>Whether adapters stand after attention.</summary>
    [JsonPropertyName("mh_adapter")] public bool AfterAttention { get; init; }

    /// <summary>Whether adapters stand after the feed-forward network.</summary>
    [JsonPropertyName("output_adapter")] public bool AfterFeedForward { get; init; } = true;

    /// <summary>Whether adapters stand after the attention of a decoder to its encoder.</summary>
    [JsonPropertyName("cross_adapter")] public bool AfterCrossAttention { get; init; }

    /// <summary>How many times narrower than the model the bottlenecks are; below 1 they are wider.</summary>
    [JsonPropertyName("reduction_factor")] public ReductionFactor ReductionFactor { get; init; } = 16;

    /// <summary>The function between the projections: <c>relu</c>, <c>gelu</c>, <c>swish</c>, …</summary>
    [JsonPropertyName("non_linearity")] public string NonLinearity { get; init; } = "relu";

    /// <summary>Whether the bottleneck sees the output after the residual stream is added and normed as the model does (sequential only).</summary>
    [JsonPropertyName("original_ln_before")] public bool NormBefore { get; init; } = true;

    /// <summary>Whether the model adds the residual stream, and norms, after the adapter. It does in any case where it norms there.</summary>
    [JsonPropertyName("original_ln_after")] public bool NormAfter { get; init; } = true;

    /// <summary>Whether a norm of the adapter's own comes before the bottleneck.</summary>
    [JsonPropertyName("ln_before")] public bool OwnNormBefore { get; init; }

    /// <summary>Whether a norm of the adapter's own comes after the bottleneck.</summary>
    [JsonPropertyName("ln_after")] public bool OwnNormAfter { get; init; }

    /// <summary>How the projections start: <c>bert</c> (small and normal), <c>mam_adapter</c> (the second one 0, so that the adapter changes nothing) or <c>houlsby</c> (small and cut off).</summary>
    [JsonPropertyName("init_weights")] public string Initialization { get; init; } = "bert";

    // Kept as it is for the Adapters library: here AdapterOptions.InitializationSeed counts.
    [JsonInclude, JsonPropertyName("init_weights_seed")] internal int? SavedSeed { get; init; }

    /// <summary>Whether the bottleneck runs beside the sub-block, on the residual stream.</summary>
    [JsonPropertyName("is_parallel")] public bool IsParallel { get; init; }

    /// <summary>What the bottleneck's output is multiplied by.</summary>
    [JsonPropertyName("scaling")] public BottleneckScaling Scaling { get; init; } = 1;

    /// <summary>
    /// Whether a learned gate scales the output: σ of a linear function of the bottleneck's input, averaged over the sequence; in a causal model over
    /// what each position sees (Mao et al. 2021, arXiv:2110.07577).
    /// </summary>
    [JsonPropertyName("use_gating")] public bool UseGating { get; init; }

    /// <summary>Where the residual connection around the bottleneck starts, with <see cref="NormBefore"/>.</summary>
    [JsonPropertyName("residual_before_ln")] public BottleneckResidual Residual { get; init; }

    /// <summary>Whether that residual is added before the adapter's own norm after the bottleneck.</summary>
    [JsonPropertyName("adapter_residual_before_ln")] public bool ResidualBeforeOwnNorm { get; init; }

    /// <summary>Invertible adapter around the embeddings: <c>nice</c> or <c>glow</c>; null for none (Pfeiffer et al. 2020, arXiv:2005.00052).</summary>
    [JsonPropertyName("inv_adapter")] public string? Invertible { get; init; }

    /// <summary>How many times narrower than its input the networks of the invertible adapter are; 2 if null.</summary>
    [JsonPropertyName("inv_adapter_reduction_factor")] public double? InvertibleReductionFactor { get; init; }

    /// <summary>Numbers of the layers that get no adapters (AdapterDrop).</summary>
    [JsonPropertyName("leave_out")] public IReadOnlyList<int> LeaveOut { get; init; } = [];

    /// <summary>Share of the output's elements that training leaves out.</summary>
    [JsonPropertyName("dropout")] public double Dropout { get; init; }

    /// <summary>Share of the sequences that each bottleneck leaves out in training.</summary>
    [JsonPropertyName("stochastic_depth")] public double StochasticDepth { get; init; }

    /// <summary>Whether the projections are sums of Kronecker products (compacter).</summary>
    [JsonPropertyName("phm_layer")] public bool IsHypercomplex { get; init; }

    /// <summary>Number n of the products' terms, and size n×n of their rules. Must divide the model's width and the bottleneck's.</summary>
    [JsonPropertyName("phm_dim")] public int HypercomplexSize { get; init; } = 4;

    /// <summary>Whether the rules are shared by all projections.</summary>
    [JsonPropertyName("shared_phm_rule")] public bool SharesRule { get; init; } = true;

    /// <summary>Whether each rule is a product of a column and a row.</summary>
    [JsonPropertyName("factorized_phm_rule")] public bool FactorizesRule { get; init; }

    /// <summary>Whether the rules are trained.</summary>
    [JsonPropertyName("learn_phm")] public bool TrainsRule { get; init; } = true;

    /// <summary>Whether the other factors have a low rank.</summary>
    [JsonPropertyName("factorized_phm_W")] public bool FactorizesWeights { get; init; } = true;

    /// <summary>Whether the other factors are shared by all layers.</summary>
    [JsonPropertyName("shared_W_phm")] public bool SharesWeights { get; init; }

    /// <summary>That rank.</summary>
    [JsonPropertyName("phm_rank")] public int HypercomplexRank { get; init; } = 1;

    /// <summary>How rules start: <c>normal</c> or <c>uniform</c>.</summary>
    [JsonPropertyName("phm_c_init")] public string RuleInitialization { get; init; } = "normal";

    /// <summary>Standard deviation of a shared rule's start.</summary>
    [JsonPropertyName("phm_init_range")] public double RuleDeviation { get; init; } = 1e-4;

    /// <summary>Kept as it is: the other factors start by Glorot's normal rule, as they do in the Adapters library whatever this says.</summary>
    [JsonPropertyName("hypercomplex_nonlinearity")] public string WeightInitialization { get; init; } = "glorot-uniform";

    /// <summary>Whether hypercomplex projections have biases.</summary>
    [JsonPropertyName("phm_bias")] public bool HypercomplexBias { get; init; } = true;

    /// <inheritdoc/>
    [JsonIgnore] public override double RecommendedLearningRate => IsHypercomplex ? 3e-3 : 1e-4;

    /// <inheritdoc/>
    [JsonIgnore] public override double? SmallModelLearningRate => IsHypercomplex ? null : 3e-2;

    /// <inheritdoc/>
    protected override bool MayTargetNothing => Invertible is not null;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => [.. base.Errors(), .. BottleneckErrors.Of(this)];

    /// <inheritdoc/>
    protected override ModuleSelector? DefaultTargets(ModelTree model)
    {
        string[] paths = [.. BottleneckPositions.In(model).Where(found => Stands(found.Position.Place)).Select(found => found.Target.Path)];
        return paths.Length == 0 ? null : ModuleSelector.Create(paths);
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
        => BottleneckPlan.Layers(this, targets, model);

    private bool Stands(BottleneckPlace place) => place switch
    {
        BottleneckPlace.Attention => AfterAttention,
        BottleneckPlace.CrossAttention => AfterCrossAttention,
        _ => AfterFeedForward,
    };
}
