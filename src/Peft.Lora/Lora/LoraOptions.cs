using System.Text.Json.Nodes;

namespace Peft;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv:2106.09685): W + s·B·A with A <c>[rank, in]</c>, B <c>[out, rank]</c> and s = alpha/rank. Mergeable.
/// </summary>
[MethodDescription("LoRA", "W + s·B·A", "Hu et al. 2021, arXiv:2106.09685")]
[LearningRate(1e-4, SmallModel = 1e-2)]
[FanInFanOut]
public sealed record LoraOptions() : BiasedOptions("LORA"), ITiesWeights, IReplicatesLayers, INeedsNoTargets, ILimitsModules, IWarns
{
    static LoraOptions() => TypeDescriptor.AddAttributes(typeof(IReadOnlyList<LayerRange>), new TypeConverterAttribute(typeof(TextConverter<IReadOnlyList<LayerRange>>)));

    /// <summary>Rank of the update. At least 1; memory and time grow linearly with it.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>Scaling numerator α; the update is scaled by α/rank, or by α/√rank with <see cref="UseRslora"/>.</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(WholeOrFraction)), Finite] public double Alpha { get; init; } = 8;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("lora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to scale by alpha/√rank, which keeps large ranks stable (rsLoRA; Kalajdzievski 2023, arXiv:2312.03732).</summary>
    [JsonPropertyName("use_rslora")] public bool UseRslora { get; init; }

    /// <summary>True for weight-decomposed LoRA (DoRA; Liu et al. 2024, arXiv:2402.09353), which trains direction and magnitude separately.</summary>
    [JsonPropertyName("use_dora")] public bool UseDora { get; init; }

    /// <summary>True to give B a trained bias.</summary>
    [JsonPropertyName("lora_bias")] public bool UseLoraBias { get; init; }

    /// <summary>Initialization of A and B.</summary>
    [JsonPropertyName("init_lora_weights")] public LoraInitialization Initialization { get; init; } = LoraInitialization.Default;

    /// <summary>Ranks that override <see cref="Rank"/>. A key is the end of a module's path, or a regular expression that matches it.</summary>
    [JsonPropertyName("rank_pattern"), AtLeast(1)] public IReadOnlyDictionary<string, int> RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas that override <see cref="Alpha"/>, with keys as in <see cref="RankPattern"/>.</summary>
    [JsonPropertyName("alpha_pattern"), JsonConverter(typeof(WholeOrFractionMap))] public IReadOnlyDictionary<string, double> AlphaPattern { get; init; } = new Dictionary<string, double>();

    /// <summary>Parameters to adapt directly, by their path or its end: <c>mlp.down_proj.weight</c>.</summary>
    [JsonPropertyName("target_parameters")] public IReadOnlyList<string>? TargetParameters { get; init; }

    /// <summary>Tokens whose embedding rows are trained too: ids for the model's embedding, or ids by the name of an embedding.</summary>
    [JsonPropertyName("trainable_token_indices")] public TokenIndices? TrainableTokenIndices { get; init; }

    /// <summary>True to keep modules with a shared weight tied when they are adapted or saved.</summary>
    [JsonPropertyName("ensure_weight_tying")] public bool EnsureWeightTying { get; init; }

    /// <summary>
    /// Invocation tokens of Activated LoRA (Greenewald et al. 2025, arXiv:2504.12397). The adapter is active from their last occurrence in the text on, and inactive
    /// without one, so that a KV cache of the preceding text can be reused with any adapter. Not mergeable.
    /// </summary>
    [JsonPropertyName("alora_invocation_tokens")] public IReadOnlyList<int>? AloraInvocationTokens { get; init; }

    /// <summary>KaSA: removes the weight's smallest singular values and trains those of the update. Null for no KaSA.</summary>
    [JsonPropertyName("kasa_config")] public KasaOptions? Kasa { get; init; }

    /// <summary>Settings of <see cref="LoraInitialization.LoraGa"/>; the defaults if null.</summary>
    [JsonPropertyName("lora_ga_config")] public LoraGaOptions? LoraGa { get; init; }

    /// <summary>BD-LoRA: block-diagonal factors, for serving a sharded model. Null for no BD-LoRA.</summary>
    [JsonPropertyName("use_bdlora")] public BdLoraOptions? BdLora { get; init; }

    /// <summary>VeLoRA: computes A's gradient from compressed inputs, which saves memory in training. Null for no VeLoRA.</summary>
    [JsonPropertyName("velora_config")] public VeloraOptions? Velora { get; init; }

    /// <summary>MonteCLoRA: adds noise to A in training. Null for no MonteCLoRA.</summary>
    [JsonPropertyName("monteclora_config")] public MontecloraOptions? Monteclora { get; init; }

    /// <summary>Arrow: mixes the model's other LoRA adapters at each position instead of having its own factors. Null for no Arrow.</summary>
    [JsonPropertyName("arrow_config")] public ArrowOptions? Arrow { get; init; }

    /// <summary>
    /// True for QA-LoRA (Xu et al. 2023, arXiv:2309.14717): A reads the mean of each group of <see cref="QaloraGroupSize"/> inputs, so that the update is the same for all inputs of a group, like the
    /// zero points of a quantized weight. Mergeable into float weights, or by <c>MergeAndUnload(dequantize: true)</c>: zero points in files are integers, which cannot represent the update.
    /// </summary>
    [JsonPropertyName("use_qalora")] public bool UseQalora { get; init; }

    /// <summary>Inputs per group of QA-LoRA. It must divide the number of inputs of every target module. 16 by default.</summary>
    [JsonPropertyName("qalora_group_size"), AtLeast(1)] public int QaloraGroupSize { get; init; } = 16;

    /// <summary>
    /// Ranges of layers that the model runs, in this order, in place of its own. Repeated layers share their base weights, and each occurrence has its own
    /// factors. The model runs its own layers again when its adapters are disabled or removed. Other adapters of the model see the same layers.
    /// </summary>
    [JsonPropertyName("layer_replication")] public IReadOnlyList<LayerRange>? LayerReplication { get; init; }

    // Other fields that Hugging Face PEFT writes, since its readers expect every field. The settings of EVA, CorDA and LoftQ are preserved unchanged.
    [JsonInclude, JsonPropertyName("eva_config")] internal JsonNode? EvaConfig { get; init; }
    [JsonInclude, JsonPropertyName("corda_config")] internal JsonNode? CordaConfig { get; init; }
    [JsonInclude, JsonPropertyName("loftq_config")] internal JsonNode? LoftqConfig { get; init; } = new JsonObject();
    [JsonInclude, JsonPropertyName("megatron_core")] internal string? MegatronCore { get; init; } = "megatron.core";

    // A variant that is not implemented: rejected, never ignored.
    [JsonInclude, JsonPropertyName("megatron_config")] internal JsonNode? MegatronConfig { get; init; }

    bool ITiesWeights.TiesWeights => EnsureWeightTying;

    IReadOnlyList<int>? IReplicatesLayers.LayerOrder => LayerReplication is null ? null : [.. LayerReplication.SelectMany(range => range.Layers)];

    bool INeedsNoTargets.NeedsNoTargets => TargetParameters is { Count: > 0 };

    // On convolutions in groups, LoRA has no update of the weight: DoRA has no norm there, and an initialization from the weight nothing to begin with.
    (ModuleKinds Kinds, string Option)? ILimitsModules.LimitAt(Target target)
        => Variants is [var variant, ..] ? (ModuleKinds.Linear, variant)
            : UseDora ? (ModuleKinds.Matrix & ~ModuleKinds.GroupedConvolution, nameof(UseDora))
            : Initialization == LoraInitialization.Default || Initialization == LoraInitialization.Random || Initialization == LoraInitialization.Gaussian ? null
            : (ModuleKinds.Matrix & ~ModuleKinds.GroupedConvolution, $"{nameof(Initialization)} '{Initialization}'");

    IEnumerable<string> IWarns.Warnings(IReadOnlyList<Target> targets, ModelTree model)
    {
        if (InferenceMode && Initialization == LoraInitialization.Loftq && targets.FirstOrDefault(target => target.IsMatrix && target.Storage.Parameter is not null) is { } exact)
            yield return $"it was initialized by LoftQ and compensates the errors of quantized weights, but {exact.Path} is not quantized: load the quantized model on which it was trained.";
        var tied = targets.Where(target => model.TiedWith(target).Any()).ToList();
        if (EnsureWeightTying && tied.Count == 0)
            yield return "EnsureWeightTying has no effect, because no adapted module shares its weight with another.";
        else if (!EnsureWeightTying && tied.Find(target => target.IsMatrix) is { } loose && TrainableTokenIndices is null)
            yield return $"{loose.Path} shares its weight with {model.TiedWith(loose).First().Path}, which does not change with it, so that the adapter cannot be merged. Set EnsureWeightTying to adapt both as one.";
    }

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (!Initialization.IsKnown) yield return $"Initialization '{Initialization}' is not known. Known are default (true), gaussian, orthogonal, pissa, pissa_niter_<number>, olora, mica, eva, corda, lora_ga and loftq.";
        foreach (var error in (Kasa?.Errors() ?? []).Concat(LoraGa?.Errors() ?? []).Concat(BdLora?.Errors() ?? []).Concat(Velora?.Errors() ?? []).Concat(Monteclora?.Errors() ?? []).Concat(Arrow?.Errors() ?? [])) yield return error;
        if (LoraGa is not null && Initialization != LoraInitialization.LoraGa) yield return $"LoraGa applies only to Initialization 'lora_ga', but Initialization is '{Initialization}': set it to LoraGa, or leave LoraGa null.";
        if (AloraInvocationTokens is { Count: 0 }) yield return "AloraInvocationTokens is empty: list the tokens that activate the adapter, or leave it null.";
        if (LayerReplication?.Any(range => range.Start < 0 || range.End <= range.Start) == true || LayerReplication is { Count: 0 })
            yield return $"LayerReplication must consist of ranges from a layer to a later one, but was [{string.Join(", ", LayerReplication)}].";
        string[] variants = [.. Variants, .. UseDora ? [nameof(UseDora)] : Array.Empty<string>()];
        if (variants.Length > 1) yield return $"{string.Join(" and ", variants)} are variants of LoRA that cannot be combined: choose one.";
        if (HasOwnShape && Initialization != LoraInitialization.Default && Initialization != LoraInitialization.Random)
            yield return $"{Variants[0]} has its own initialization, but Initialization is '{Initialization}': leave it at the default.";
        if (UseLoraBias && Initialization != LoraInitialization.Default && Initialization != LoraInitialization.Random)
            yield return $"UseLoraBias and Initialization '{Initialization}' cannot be combined: leave one out.";
        if (UseDora && Initialization == LoraInitialization.Mica) yield return "UseDora and Initialization 'mica' cannot be combined: leave one out.";
        if (UseDora && UseLoraBias) yield return "UseLoraBias and UseDora cannot be combined: leave one out.";
        if (MegatronConfig is not null) yield return $"megatron_config ({MegatronConfig.ToJsonString()}) requires a variant of LoRA that is not implemented.";
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
        => (LoraPlan.Layers(this, targets, model), null);

    /// <summary>Names of the options that select another layer type. At most one may be set.</summary>
    internal IReadOnlyList<string> Variants
        => [.. new[] { (nameof(Kasa), Kasa is not null), (nameof(BdLora), BdLora is not null), (nameof(Velora), Velora is not null), (nameof(Monteclora), Monteclora is not null), (nameof(Arrow), Arrow is not null), (nameof(UseQalora), UseQalora), (nameof(AloraInvocationTokens), AloraInvocationTokens is not null) }
            .Where(pair => pair.Item2).Select(pair => pair.Item1)];

    /// <summary>True if the layers have more than two plain factors, so that the factors cannot be replaced.</summary>
    internal bool HasOwnShape => Kasa is not null || BdLora is not null || Monteclora is not null || Arrow is not null || UseQalora;

    /// <summary>The options of an adapter with the same updates in plain factors.</summary>
    internal LoraOptions Plain => this with { Initialization = LoraInitialization.Default, LoraGa = null, Kasa = null, BdLora = null, Velora = null, Monteclora = null, UseQalora = false, EvaConfig = null, CordaConfig = null, LoftqConfig = new JsonObject() };

    internal int RankAt(string path) => RankPattern.At(path, Rank);

    internal double ScalingAt(string path)
    {
        var alpha = AlphaPattern.At(path, Alpha);
        return UseRslora ? alpha / Math.Sqrt(RankAt(path)) : alpha / RankAt(path);
    }
}
