namespace Peft;

/// <summary>
/// OSF (Nayak et al. 2025, arXiv:2504.07097): the weight is decomposed by SVD. The large singular values are frozen. The small ones are trained with
/// their singular vectors, which stay orthogonal to the frozen ones. For continual learning. Mergeable.
/// </summary>
[MethodDescription("OSF", "U·diag(S)·Vᵀ, small singular values trained", "Nayak et al. 2025, arXiv:2504.07097")]
[LearningRate(5e-5)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record OsfOptions() : TargetedOptions("OSF")
{
    /// <summary>Number of singular values to freeze, or their fraction if below 1. If null, half of them.</summary>
    [JsonPropertyName("effective_rank"), JsonConverter(typeof(WholeOrFraction)), Above(0)] public double? FrozenRank { get; init; }

    /// <summary>Values that override <see cref="FrozenRank"/>. A key is a regular expression that is searched for in a module's path.</summary>
    [JsonPropertyName("rank_pattern"), JsonConverter(typeof(WholeOrFractionMap)), Above(0)] public IReadOnlyDictionary<string, double>? RankPattern { get; init; }

    // Fields of Hugging Face PEFT's configuration that have no effect there either.
    [JsonInclude, JsonPropertyName("init_weights")] internal bool? InitWeights { get; init; }
    [JsonInclude, JsonPropertyName("target_svd_config")] internal System.Text.Json.Nodes.JsonNode? TargetSvd { get; init; }

    /// <summary>Number of frozen singular values of a module.</summary>
    internal long KeptAt(Target target)
    {
        var all = Math.Min(target.In, target.Out);
        var searched = RankPattern?.ToDictionary(pair => $".*(?:{pair.Key}).*", pair => (double?)pair.Value);   // At matches whole names
        return searched.At(target.Path, FrozenRank) is { } kept ? Math.Min(all, (long)(kept < 1 ? all * kept : kept)) : all / 2;
    }

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Osf) ?? base.DefaultTargets(model);

    protected override AdapterLayer CreateLayer(Target target) => new OsfLayer(target, this);
}
