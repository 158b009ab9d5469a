namespace Peft;

/// <summary>
/// LoKr (Edalati et al. 2022, arXiv:2212.10650; Yeh et al. 2023, arXiv:2309.14859): W + s·(w1 ⊗ w2), a Kronecker product of a small
/// matrix and a larger one, which is itself a low-rank product where that has fewer parameters; s = alpha/r. Mergeable.
/// </summary>
[MethodDescription("LoKr", "W + s·(w₁⊗w₂)", "Edalati et al. 2022, arXiv:2212.10650")]
[LearningRate(1e-3)]
public sealed record LoKrOptions() : LycorisOptions("LOKR")
{
    /// <summary>True to decompose the smaller factor w1 too.</summary>
    [JsonPropertyName("decompose_both")] public bool DecomposeBoth { get; init; }

    /// <summary>Size of w1, if it divides the weight's size; −1 for factors as equal in size as possible.</summary>
    [JsonPropertyName("decompose_factor")] public int DecomposeFactor { get; init; } = -1;

    /// <summary>True to scale up the remaining rows when <see cref="LycorisOptions.RankDropout"/> drops some.</summary>
    [JsonPropertyName("rank_dropout_scale")] public bool RankDropoutScale { get; init; }

    /// <summary>Initialization of the factors.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<LoKrInitialization>))] public LoKrInitialization Initialization { get; init; }

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (DecomposeFactor is < 1 and not -1) yield return $"DecomposeFactor must be at least 1, or -1 for equal factors, but was {DecomposeFactor}.";
    }

    protected override AdapterLayer CreateLayer(Target target) => new LoKrLayer(target, this);
}
