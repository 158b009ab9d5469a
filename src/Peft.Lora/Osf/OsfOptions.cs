using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// OSF (Nayak et al. 2025, arXiv:2504.07097): the weight is taken apart by its singular values; the larger ones are kept, the others are trained with
/// their vectors, which stay orthogonal to those kept. For learning one task after another. Merges.
/// </summary>
[MethodDescription("OSF", "U·diag(S)·Vᵀ, its smaller part trained", "Nayak et al. 2025, arXiv:2504.07097")]
[LearningRate(5e-5)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record OsfOptions() : WeightUpdateOptions("OSF")
{
    /// <summary>Singular values that are kept: a number, or a share of all where it is below 1; null for half.</summary>
    [JsonPropertyName("effective_rank"), JsonConverter(typeof(NumberOrShare))] public double? KeptRank { get; init; }

    /// <summary>Numbers or shares that differ from <see cref="KeptRank"/>, by a regular expression that finds something in a module's path.</summary>
    [JsonPropertyName("rank_pattern"), JsonConverter(typeof(WholeOrFractionMap))] public IReadOnlyDictionary<string, double>? RankPattern { get; init; }

    // Fields of Hugging Face's file that have no effect there either.
    [JsonInclude, JsonPropertyName("init_weights")] internal bool? InitWeights { get; init; }
    [JsonInclude, JsonPropertyName("target_svd_config")] internal System.Text.Json.Nodes.JsonNode? TargetSvd { get; init; }

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (KeptRank is <= 0) yield return $"KeptRank must be more than 0, but was {KeptRank}.";
        if (RankPattern?.FirstOrDefault(pair => pair.Value <= 0) is { Key: not null } pair) yield return $"RankPattern['{pair.Key}'] must be more than 0, but was {pair.Value}.";
    }

    /// <summary>Singular values of a module that are kept.</summary>
    internal long KeptAt(Target target)
    {
        var all = Math.Min(target.In, target.Out);
        var kept = KeptRank;
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
