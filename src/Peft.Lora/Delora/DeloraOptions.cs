namespace Peft;

/// <summary>
/// DeLoRA (Bini et al. 2025, arXiv:2503.18225): W + (λ/r)·B·Ξ·A·diag(‖W‖), where Ξ divides by the norms of A's rows and B's columns, so
/// that λ alone bounds the norm of the update. Mergeable.
/// </summary>
[MethodDescription("DeLoRA", "W + (λ/r)·B·Ξ·A·diag(‖W‖)", "Bini et al. 2025, arXiv:2503.18225")]
[LearningRate(1e-3)]
public sealed record DeloraOptions() : BiasedOptions("DELORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>Initial value of λ, the bound on the update's norm. λ is trained.</summary>
    [JsonPropertyName("delora_lambda"), JsonConverter(typeof(WholeOrFraction)), Finite] public double Lambda { get; init; } = 15;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("module_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to initialize the adapter as a no-op (B is zero); false for random factors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>Ranks that override <see cref="Rank"/>. A key is the end of a module's path, or a regular expression that matches it.</summary>
    [JsonPropertyName("rank_pattern"), AtLeast(1)] public IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Values of λ that override <see cref="Lambda"/>, with keys as in <see cref="RankPattern"/>.</summary>
    [JsonPropertyName("lambda_pattern")] public IReadOnlyDictionary<string, double>? LambdaPattern { get; init; } = new Dictionary<string, double>();

    protected override AdapterLayer CreateLayer(Target target) => new DeloraLayer(target, this);
}
