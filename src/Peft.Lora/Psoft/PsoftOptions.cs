using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// PSOFT (Wu et al. 2025, arXiv:2505.11235): W + s·B·(R − I)·A, with frozen A and B from the weight's leading singular vectors: within their
/// space the weight is turned by an orthogonal R, and stretched. Merges.
/// </summary>
[MethodDescription("PSOFT", "W + s·B·(R − I)·A, R orthogonal", "Wu et al. 2025, arXiv:2505.11235")]
[LearningRate(4e-4)]
public sealed record PsoftOptions() : WeightUpdateOptions("PSOFT")
{
    /// <summary>Singular vectors that are used. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 32;

    /// <summary>Divided by the rank, the scaling s; it is taken out of B again.</summary>
    [JsonPropertyName("psoft_alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 32;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("psoft_dropout")] public double Dropout { get; init; }

    /// <summary>Where the singular values go: <c>psoft_init</c> for B, <c>pissa_init</c> for A and B alike.</summary>
    [JsonPropertyName("ab_svd_init")] public string Split { get; init; } = "psoft_init";

    /// <summary>How singular vectors are found: <c>full</c>, or <c>lowrank</c> for the randomised way, which is faster on large weights.</summary>
    [JsonPropertyName("psoft_svd")] public string Svd { get; init; } = "full";

    /// <summary>Power iterations of the randomised way.</summary>
    [JsonPropertyName("psoft_svd_lowrank_niter")] public int SvdIterations { get; init; } = 10;

    /// <summary>Seed of the randomised way.</summary>
    [JsonPropertyName("random_seed")] public int Seed { get; init; }

    /// <summary>Whether R is orthogonal; false trains it freely.</summary>
    [JsonPropertyName("psoft_orth")] public bool IsOrthogonal { get; init; } = true;

    /// <summary>Whether a vector stretches the space after R.</summary>
    [JsonPropertyName("psoft_mag_b")] public bool HasOutputMagnitude { get; init; } = true;

    /// <summary>Whether a vector stretches the space before R.</summary>
    [JsonPropertyName("psoft_mag_a")] public bool HasInputMagnitude { get; init; } = true;

    /// <summary>Whether R comes from a series, not from solving a system: faster, and orthogonal only nearly.</summary>
    [JsonPropertyName("use_cayley_neumann")] public bool UseSeries { get; init; }

    /// <summary>Terms of the series.</summary>
    [JsonPropertyName("num_cayley_neumann_terms")] public int SeriesTerms { get; init; } = 5;

    /// <summary>Bound of the norm of what the series is formed of; null for none.</summary>
    [JsonPropertyName("cayley_neumann_eps")] public double? SeriesBound { get; init; }

    /// <summary>Whether the adapter starts as none; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout, alpha: Alpha))) yield return error;
        if (Split is not ("psoft_init" or "pissa_init")) yield return $"Split must be 'psoft_init' or 'pissa_init', but was '{Split}'.";
        if (Svd is not ("full" or "lowrank")) yield return $"Svd must be 'full' or 'lowrank', but was '{Svd}'.";
        if (Alpha == 0) yield return "Alpha must not be 0.";
        if (SvdIterations < 0) yield return $"SvdIterations must not be negative, but was {SvdIterations}.";
        if (SeriesTerms < 1) yield return $"SeriesTerms must be at least 1, but was {SeriesTerms}.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new PsoftLayer(target, this);
}
