namespace Peft;

/// <summary>
/// PSOFT (Wu et al. 2025, arXiv:2505.11235): W + s·B·(R − I)·A, with frozen A and B from the weight's leading singular vectors. Within their
/// subspace, an orthogonal R rotates the weight and two vectors scale it. Mergeable.
/// </summary>
[MethodDescription("PSOFT", "W + s·B·(R − I)·A, R orthogonal", "Wu et al. 2025, arXiv:2505.11235")]
[LearningRate(4e-4)]
[FanInFanOut]
public sealed record PsoftOptions() : TargetedOptions("PSOFT")
{
    /// <summary>Number of singular vectors. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Scaling numerator α, s = α/rank. The singular values in A and B are divided by s to compensate.</summary>
    [JsonPropertyName("psoft_alpha"), JsonConverter(typeof(WholeOrFraction)), NotZero, Finite] public double Alpha { get; init; } = 32;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("psoft_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>Factor that gets the singular values: <c>psoft_init</c> for B, <c>pissa_init</c> for their square roots in both A and B.</summary>
    [JsonPropertyName("ab_svd_init"), OneOf("psoft_init", "pissa_init")] public string SingularValueSplit { get; init; } = "psoft_init";

    /// <summary>SVD algorithm: <c>full</c>, or <c>lowrank</c> for a randomized SVD, which is faster for large weights.</summary>
    [JsonPropertyName("psoft_svd"), OneOf("full", "lowrank")] public string Svd { get; init; } = "full";

    /// <summary>Number of power iterations of the randomized SVD.</summary>
    [JsonPropertyName("psoft_svd_lowrank_niter"), AtLeast(0)] public int SvdIterations { get; init; } = 10;

    /// <summary>Seed of the randomized SVD.</summary>
    [JsonPropertyName("random_seed")] public int Seed { get; init; }

    /// <summary>True to keep R orthogonal; false to train it without constraints.</summary>
    [JsonPropertyName("psoft_orth")] public bool IsOrthogonal { get; init; } = true;

    /// <summary>True to train a vector that scales the output of R.</summary>
    [JsonPropertyName("psoft_mag_b")] public bool HasOutputMagnitude { get; init; } = true;

    /// <summary>True to train a vector that scales the input of R.</summary>
    [JsonPropertyName("psoft_mag_a")] public bool HasInputMagnitude { get; init; } = true;

    /// <summary>True to compute R by a Neumann series instead of a linear solve: faster, but only approximately orthogonal.</summary>
    [JsonPropertyName("use_cayley_neumann")] public bool UseNeumannSeries { get; init; }

    /// <summary>Number of terms of the series.</summary>
    [JsonPropertyName("num_cayley_neumann_terms")] public int NeumannTerms { get; init; } = 5;

    /// <summary>Upper bound on the norm of the skew-symmetric matrix in the series; null for none.</summary>
    [JsonPropertyName("cayley_neumann_eps")] public double? NeumannBound { get; init; }

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (NeumannTerms is < 1 or > 1000) yield return $"NeumannTerms must be between 1 and 1000, but was {NeumannTerms}: each term takes a product of matrices.";
    }

    protected override AdapterLayer CreateLayer(Target target) => new PsoftLayer(target, this);
}
