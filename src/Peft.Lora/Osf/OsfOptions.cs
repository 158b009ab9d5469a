namespace Peft;

/// <summary>
/// OSF (Nayak et al. 2025, arXiv:2504.07097): the weight is decomposed by SVD. The large singular values are frozen. The small ones are trained with
/// their singular vectors, which stay orthogonal to the frozen ones. For continual learning. Mergeable.
/// </summary>
[MethodDescription("OSF", "U·diag(S)·Vᵀ, small singular values trained", "Nayak et al. 2025, arXiv:2504.07097")]
[LearningRate(5e-5)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record OsfOptions() : WeightUpdateOptions("OSF")
{
    /// <summary>Number of singular values to freeze, or their fraction if below 1. If null, half of them.</summary>
    [JsonPropertyName("effective_rank"), JsonConverter(typeof(NumberOrShare))] public double? FrozenRank { get; init; }

    /// <summary>Values that override <see cref="FrozenRank"/>. A key is a regular expression that is searched for in a module's path.</summary>
    [JsonPropertyName("rank_pattern"), JsonConverter(typeof(WholeOrFractionMap))] public IReadOnlyDictionary<string, double>? RankPattern { get; init; }

    // Fields of Hugging Face PEFT's configuration that have no effect there either.
    [JsonInclude, JsonPropertyName("init_weights")] internal bool? InitWeights { get; init; }
    [JsonInclude, JsonPropertyName("target_svd_config")] internal System.Text.Json.Nodes.JsonNode? TargetSvd { get; init; }

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (FrozenRank is <= 0) yield return $"FrozenRank must be more than 0, but was {FrozenRank}.";
        if (RankPattern?.FirstOrDefault(pair => pair.Value <= 0) is { Key: not null } pair) yield return $"RankPattern['{pair.Key}'] must be more than 0, but was {pair.Value}.";
    }

    /// <summary>Number of frozen singular values of a module.</summary>
    internal long KeptAt(Target target)
    {
        var all = Math.Min(target.In, target.Out);
        var kept = FrozenRank;
        foreach (var (pattern, value) in RankPattern ?? new Dictionary<string, double>())
            if (System.Text.RegularExpressions.Regex.IsMatch(target.Path, pattern, System.Text.RegularExpressions.RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
            {
                kept = value;
                break;
            }
        return kept is null ? all / 2 : Math.Min(all, kept < 1 ? (long)(all * kept.Value) : (long)kept.Value);
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new OsfLayer(target, this);
}
