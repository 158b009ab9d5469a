using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// DeLoRA (Bini et al. 2025, arXiv:2503.18225): W + (λ/r)·B·Ξ·A·diag(‖W‖), with Ξ dividing by the norms of A's rows and B's columns, so
/// that λ alone says how far the weight moves. Merges.
/// </summary>
[MethodDescription("DeLoRA", "W + (λ/r)·B·Ξ·A·diag(‖W‖)", "Bini et al. 2025, arXiv:2503.18225")]
[LearningRate(1e-3)]
public sealed record DeloraOptions() : BiasedUpdateOptions("DELORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>λ, the bound of the update's norm, at the start; it is trained.</summary>
    [JsonPropertyName("delora_lambda"), JsonConverter(typeof(WholeOrFraction))] public double Lambda { get; init; } = 15;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("module_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the adapter starts as none (B is zero); false for random factors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>Ranks that differ from <see cref="Rank"/>, by the last parts of a module's path or a regular expression for them.</summary>
    [JsonPropertyName("rank_pattern")] public IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Values of λ that differ from <see cref="Lambda"/>, named like <see cref="RankPattern"/>.</summary>
    [JsonPropertyName("lambda_pattern")] public IReadOnlyDictionary<string, double>? LambdaPattern { get; init; } = new Dictionary<string, double>();

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout, RankPattern))) yield return error;
        if (!double.IsFinite(Lambda)) yield return $"Lambda must be a number, but was {Lambda}.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new DeloraLayer(target, this);
}
