using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Peft.Lora;

namespace Peft;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv:2106.09685): W + s·B·A with A <c>[rank, in]</c>, B <c>[out, rank]</c> and s = alpha/rank. Merges.
/// </summary>
public sealed record LoraOptions : TargetedOptions
{
    /// <summary>The defaults.</summary>
    public LoraOptions() : base("LORA") { }

    /// <summary>Rank of the update. At least 1; memory and time grow linearly with it.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>Strength of the update, divided by the rank (by its root with <see cref="UseRslora"/>).</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 8;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("lora_dropout")] public double Dropout { get; init; }

    /// <summary>Which biases are trained as well.</summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

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

    /// <summary>Written as the storage of the targets asks: true where it is <c>[in, out]</c>. What is set here has no effect.</summary>
    [JsonPropertyName("fan_in_fan_out")] public bool FanInFanOut { get; init; }

    // What Hugging Face writes beside these, so that its readers find every field. EVA's and CorDA's settings are kept as they are.
    [JsonInclude, JsonPropertyName("eva_config")] internal JsonNode? EvaConfig { get; init; }
    [JsonInclude, JsonPropertyName("corda_config")] internal JsonNode? CordaConfig { get; init; }
    [JsonInclude, JsonPropertyName("loftq_config")] internal JsonNode? LoftqConfig { get; init; } = new JsonObject();
    [JsonInclude, JsonPropertyName("megatron_core")] internal string? MegatronCore { get; init; } = "megatron.core";
    [JsonInclude, JsonPropertyName("qalora_group_size")] internal int QaloraGroupSize { get; init; } = 16;

    // Variants that this version does not compute: refused, never ignored.
    [JsonInclude, JsonPropertyName("alora_invocation_tokens")] internal JsonNode? AloraInvocationTokens { get; init; }
    [JsonInclude, JsonPropertyName("arrow_config")] internal JsonNode? ArrowConfig { get; init; }
    [JsonInclude, JsonPropertyName("kasa_config")] internal JsonNode? KasaConfig { get; init; }
    [JsonInclude, JsonPropertyName("layer_replication")] internal JsonNode? LayerReplication { get; init; }
    [JsonInclude, JsonPropertyName("lora_ga_config")] internal JsonNode? LoraGaConfig { get; init; }
    [JsonInclude, JsonPropertyName("megatron_config")] internal JsonNode? MegatronConfig { get; init; }
    [JsonInclude, JsonPropertyName("monteclora_config")] internal JsonNode? MontecloraConfig { get; init; }
    [JsonInclude, JsonPropertyName("use_bdlora")] internal JsonNode? UseBdlora { get; init; }
    [JsonInclude, JsonPropertyName("use_qalora")] internal bool UseQalora { get; init; }
    [JsonInclude, JsonPropertyName("velora_config")] internal JsonNode? VeloraConfig { get; init; }

    /// <inheritdoc/>
    protected override bool TiesWeights => EnsureWeightTying;

    /// <inheritdoc/>
    protected override bool TrainsAllBiases => Bias == "all";

    /// <inheritdoc/>
    protected override bool MayTargetNothing => TargetParameters is { Count: > 0 };

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Rank < 1) yield return $"Rank must be at least 1, but was {Rank}.";
        if (RankPattern.FirstOrDefault(pair => pair.Value < 1) is { Key: not null } pair) yield return $"RankPattern['{pair.Key}'] must be at least 1, but was {pair.Value}.";
        if (!(Dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {Dropout}.";
        if (!double.IsFinite(Alpha)) yield return $"Alpha must be a number, but was {Alpha}.";
        if (Bias is not ("none" or "all" or "lora_only")) yield return $"Bias must be 'none', 'all' or 'lora_only', but was '{Bias}'.";
        if (!Initialization.IsKnown) yield return $"Initialization '{Initialization}' is not known. Known are default (true), gaussian, orthogonal, pissa, pissa_niter_<number>, olora, eva and corda.";
        if (UseDora && UseLoraBias) yield return "UseLoraBias has no meaning with UseDora: leave one out.";
        foreach (var (field, value) in new (string, JsonNode?)[]
        {
            ("alora_invocation_tokens", AloraInvocationTokens), ("arrow_config", ArrowConfig), ("kasa_config", KasaConfig), ("layer_replication", LayerReplication),
            ("lora_ga_config", LoraGaConfig), ("megatron_config", MegatronConfig), ("monteclora_config", MontecloraConfig), ("use_bdlora", UseBdlora),
            ("use_qalora", UseQalora ? JsonValue.Create(true) : null), ("velora_config", VeloraConfig),
            ("loftq_config", LoftqConfig is JsonObject { Count: > 0 } ? LoftqConfig : null),
        })
            if (value is not null) yield return $"{field} ({value.ToJsonString()}) asks for a variant of LoRA that this version does not compute.";
    }

    /// <inheritdoc/>
    protected override (IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared) Plan(IReadOnlyList<Target> targets, ModelTree model)
        => (LoraPlan.Layers(this, targets, model), null);

    internal int RankAt(string path) => At(RankPattern, path, out var rank) ? rank : Rank;

    internal double ScalingAt(string path)
    {
        var alpha = At(AlphaPattern, path, out var own) ? own : Alpha;
        return UseRslora ? alpha / Math.Sqrt(RankAt(path)) : alpha / RankAt(path);
    }

    // The first key that matches the end of the path, as in Hugging Face's get_pattern_key.
    private static bool At<T>(IReadOnlyDictionary<string, T> pattern, string path, out T value)
    {
        foreach (var (key, found) in pattern)
            if (Regex.IsMatch(path, $@"\A(?:.*\.)?(?:{key})\z", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
            {
                value = found;
                return true;
            }
        value = default!;
        return false;
    }
}
