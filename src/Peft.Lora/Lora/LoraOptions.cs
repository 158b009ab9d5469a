using System.ComponentModel;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv:2106.09685): W + s·B·A with A <c>[rank, in]</c>, B <c>[out, rank]</c> and s = alpha/rank. Merges.
/// </summary>
[MethodDescription("LoRA", "W + s·B·A", "Hu et al. 2021, arXiv:2106.09685")]
[LearningRate(1e-4, SmallModel = 1e-2)]
public sealed record LoraOptions() : BiasedUpdateOptions("LORA"), ITiesWeights, IReplicatesLayers
{
    static LoraOptions() => TypeDescriptor.AddAttributes(typeof(IReadOnlyList<LayerRange>), new TypeConverterAttribute(typeof(TextConverter<IReadOnlyList<LayerRange>>)));

    /// <summary>Rank of the update. At least 1; memory and time grow linearly with it.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>Strength of the update, divided by the rank (by its root with <see cref="UseRslora"/>).</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 8;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("lora_dropout")] public double Dropout { get; init; }

    /// <summary>Scaling by alpha/√rank, which keeps large ranks stable (Kalajdzievski 2023, arXiv:2312.03732).</summary>
    [JsonPropertyName("use_rslora")] public bool UseRslora { get; init; }

    /// <summary>Weight-decomposed LoRA (Liu et al. 2024, arXiv:2402.09353): direction and magnitude are trained apart.</summary>
    [JsonPropertyName("use_dora")] public bool UseDora { get; init; }

    /// <summary>A trained bias on B.</summary>
    [JsonPropertyName("lora_bias")] public bool UseLoraBias { get; init; }

    /// <summary>How A and B start.</summary>
    [JsonPropertyName("init_lora_weights")] public LoraInitialization Initialization { get; init; } = LoraInitialization.Default;

    /// <summary>Ranks that differ from <see cref="Rank"/>, by the last parts of a module's path or a regular expression for them.</summary>
    [JsonPropertyName("rank_pattern")] public IReadOnlyDictionary<string, int> RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas that differ from <see cref="Alpha"/>, named like <see cref="RankPattern"/>.</summary>
    [JsonPropertyName("alpha_pattern"), JsonConverter(typeof(WholeOrFractionMap))] public IReadOnlyDictionary<string, double> AlphaPattern { get; init; } = new Dictionary<string, double>();

    /// <summary>Parameters to adapt rather than modules, by their path or its last parts: <c>mlp.down_proj.weight</c>.</summary>
    [JsonPropertyName("target_parameters")] public IReadOnlyList<string>? TargetParameters { get; init; }

    /// <summary>Tokens whose embedding rows are trained too: ids for the model's embedding, or ids by the name of an embedding.</summary>
    [JsonPropertyName("trainable_token_indices")] public TokenIndices? TrainableTokenIndices { get; init; }

    /// <summary>Whether modules that share a weight stay tied when they are adapted or saved.</summary>
    [JsonPropertyName("ensure_weight_tying")] public bool EnsureWeightTying { get; init; }

    /// <summary>
    /// Activated LoRA (Greenewald et al. 2025, arXiv:2504.12397): tokens that call the adapter. It acts from where they stand last in the text, and not at all without
    /// them, so that what a cache holds of the text before them serves with any adapter. Does not merge.
    /// </summary>
    [JsonPropertyName("alora_invocation_tokens")] public IReadOnlyList<int>? AloraInvocationTokens { get; init; }

    /// <summary>KaSA: the weight's smallest singular values make room for the update, which has trained ones.</summary>
    [JsonPropertyName("kasa_config")] public KasaOptions? Kasa { get; init; }

    /// <summary>BD-LoRA: factors in blocks, for serving a model that is cut into parts.</summary>
    [JsonPropertyName("use_bdlora")] public BdloraOptions? Bdlora { get; init; }

    /// <summary>VeLoRA: A learns from compressed inputs, which saves memory in training.</summary>
    [JsonPropertyName("velora_config")] public VeloraOptions? Velora { get; init; }

    /// <summary>MonteCLoRA: training adds noise to A.</summary>
    [JsonPropertyName("monteclora_config")] public MontecloraOptions? Monteclora { get; init; }

    /// <summary>
    /// Runs of layers, one after another, that the model is to run in place of its own: layers that come more than once share their weights, and each place has factors
    /// of its own. The model's own layers are back when its adapters are off or taken off. Other adapters of the model see the same layers.
    /// </summary>
    [JsonPropertyName("layer_replication")] public IReadOnlyList<LayerRange>? LayerReplication { get; init; }

    // What Hugging Face writes beside these, so that its readers find every field. EVA's and CorDA's settings are kept as they are.
    [JsonInclude, JsonPropertyName("eva_config")] internal JsonNode? EvaConfig { get; init; }
    [JsonInclude, JsonPropertyName("corda_config")] internal JsonNode? CordaConfig { get; init; }
    [JsonInclude, JsonPropertyName("loftq_config")] internal JsonNode? LoftqConfig { get; init; } = new JsonObject();
    [JsonInclude, JsonPropertyName("megatron_core")] internal string? MegatronCore { get; init; } = "megatron.core";
    [JsonInclude, JsonPropertyName("qalora_group_size")] internal int QaloraGroupSize { get; init; } = 16;

    // Variants that this version does not compute: refused, never ignored.
    [JsonInclude, JsonPropertyName("arrow_config")] internal JsonNode? ArrowConfig { get; init; }
    [JsonInclude, JsonPropertyName("lora_ga_config")] internal JsonNode? LoraGaConfig { get; init; }
    [JsonInclude, JsonPropertyName("megatron_config")] internal JsonNode? MegatronConfig { get; init; }
    [JsonInclude, JsonPropertyName("use_qalora")] internal bool UseQalora { get; init; }

    bool ITiesWeights.TiesWeights => EnsureWeightTying;

    IReadOnlyList<int>? IReplicatesLayers.LayerOrder => LayerReplication is null ? null : [.. LayerReplication.SelectMany(range => range.Layers)];

    /// <inheritdoc/>
    protected override bool MayTargetNothing => TargetParameters is { Count: > 0 };

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        foreach (var error in NumberErrors(Rank, Dropout, RankPattern, Alpha)) yield return error;
        if (!Initialization.IsKnown) yield return $"Initialization '{Initialization}' is not known. Known are default (true), gaussian, orthogonal, pissa, pissa_niter_<number>, olora, eva and corda.";
        foreach (var error in (Kasa?.Errors() ?? []).Concat(Bdlora?.Errors() ?? []).Concat(Velora?.Errors() ?? []).Concat(Monteclora?.Errors() ?? [])) yield return error;
        if (AloraInvocationTokens is { Count: 0 }) yield return "AloraInvocationTokens is empty: name the tokens that call the adapter, or leave it null.";
        if (LayerReplication?.Any(range => range.Start < 0 || range.End <= range.Start) == true || LayerReplication is { Count: 0 })
            yield return $"LayerReplication must consist of ranges from a layer to a later one, but was [{string.Join(", ", LayerReplication)}].";
        string[] variants = [.. Variants, .. UseDora ? [nameof(UseDora)] : Array.Empty<string>()];
        if (variants.Length > 1) yield return $"{string.Join(" and ", variants)} are variants of LoRA that do not go together: choose one.";
        if (HasOwnShape && Initialization != LoraInitialization.Default && Initialization != LoraInitialization.Random)
            yield return $"{Variants[0]} has a start of its own, but Initialization is '{Initialization}': leave it at the default.";
        if (UseDora && UseLoraBias) yield return "UseLoraBias has no meaning with UseDora: leave one out.";
        foreach (var (field, value) in new (string, JsonNode?)[]
        {
            ("arrow_config", ArrowConfig), ("lora_ga_config", LoraGaConfig), ("megatron_config", MegatronConfig), ("use_qalora", UseQalora ? JsonValue.Create(true) : null),
            ("loftq_config", LoftqConfig is JsonObject { Count: > 0 } ? LoftqConfig : null),
        })
            if (value is not null) yield return $"{field} ({value.ToJsonString()}) asks for a variant of LoRA that this version does not compute.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
        => (LoraPlan.Layers(this, targets, model), null);

    /// <summary>The options that make another kind of layer, of which there can be one.</summary>
    internal IReadOnlyList<string> Variants
        => [.. new[] { (nameof(Kasa), Kasa is not null), (nameof(Bdlora), Bdlora is not null), (nameof(Velora), Velora is not null), (nameof(Monteclora), Monteclora is not null), (nameof(AloraInvocationTokens), AloraInvocationTokens is not null) }
            .Where(pair => pair.Item2).Select(pair => pair.Item1)];

    /// <summary>Whether the layers hold more than two plain factors, so that nothing else can give them others.</summary>
    internal bool HasOwnShape => Kasa is not null || Bdlora is not null || Monteclora is not null;

    /// <summary>The options of an adapter that holds the same updates in plain factors.</summary>
    internal LoraOptions Plain => this with { Initialization = LoraInitialization.Default, Kasa = null, Bdlora = null, Velora = null, Monteclora = null };

    internal int RankAt(string path) => RankPattern.At(path, Rank);

    internal double ScalingAt(string path)
    {
        var alpha = AlphaPattern.At(path, Alpha);
        return UseRslora ? alpha / Math.Sqrt(RankAt(path)) : alpha / RankAt(path);
    }
}
