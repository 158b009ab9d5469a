namespace Peft;

/// <summary>
/// DEFT (Hugging Face PEFT 0.20): W − Q·Pᵀ·W + s·Q·R. The weight's output in a few trained directions is removed and replaced by that of a
/// trained matrix R. Mergeable.
/// </summary>
[MethodDescription("DEFT", "W − Q·Pᵀ·W + s·Q·R", "Hugging Face PEFT 0.20")]
[LearningRate(1e-4)]
[FanInFanOut]
public sealed record DeftOptions() : BiasedOptions("DEFT")
{
    /// <summary>Number of output directions to replace. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>How the directions are derived from the trained matrix: <c>relu</c>, or <c>qr</c> for orthonormal directions.</summary>
    [JsonPropertyName("decomposition_method"), OneOf("relu", "qr")] public string Decomposition { get; init; } = "relu";

    /// <summary>Scaling numerator α of the inserted term, s = α/rank. If null, s is 1.</summary>
    [JsonPropertyName("alpha"), NotZero] public int? Alpha { get; init; }

    /// <summary>True to remove the directions without inserting anything (PaRa).</summary>
    [JsonPropertyName("para")] public bool OnlyRemoves { get; init; }

    /// <summary>Factor on the standard deviation of R's random initialization when <see cref="InitWeights"/> is false.</summary>
    [JsonPropertyName("init_scale")] public double InitialScale { get; init; } = 1;

    /// <summary>Dropout probability of the inserted term's input during training, in [0, 1).</summary>
    [JsonPropertyName("deft_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override AdapterLayer CreateLayer(Target target) => new DeftLayer(target, this);
}
