namespace Peft;

/// <summary>
/// Prefix tuning (Li and Liang 2021, arXiv:2101.00190): learned keys and values before the input in every layer. With a projection, the file
/// holds its output; training that continues from a file trains the keys and values directly.
/// </summary>
[MethodDescription("Prefix tuning", "K ← [Pₖ; K], V ← [Pᵥ; V]", "Li and Liang 2021, arXiv:2101.00190")]
[LearningRate(5e-3, SmallModel = 1e-1)]
public sealed record PrefixTuningOptions() : KeyValueOptions("PREFIX_TUNING")
{
    /// <summary>True to compute keys and values from embeddings by two linear layers, as in the paper's training.</summary>
    [JsonPropertyName("prefix_projection")] public bool Projection { get; init; }

    /// <summary>Width between the two layers; the size of a layer's keys if null.</summary>
    [JsonPropertyName("encoder_hidden_size"), AtLeast(1)] public int? EncoderSize { get; init; }

    /// <summary><c>zero</c> to initialize keys and values to 0; null for normally distributed values.</summary>
    [JsonPropertyName("init_weights"), OneOf("zero", null)] public string? InitWeights { get; init; }

    /// <summary>
    /// True to scale the prefix's keys and values in each layer by a learned gate: σ of a linear function of the attention's input, averaged over the sequence,
    /// or in a causal model over the positions that each position attends to (Mao et al. 2021, arXiv:2110.07577). Hugging Face PEFT has no such gate.
    /// </summary>
    [JsonPropertyName("use_gating"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool UseGating { get; init; }

    protected override IEnumerable<string> Errors()
        => InitialText is null || !Projection && InitWeights is null ? base.Errors()
            : base.Errors().Append("InitialText initializes the keys and values directly: leave Projection and InitWeights out.");

    protected override PromptOptions Sized(PromptShape shape) => base.Sized(shape) is PrefixTuningOptions own ? own with { EncoderSize = EncoderSize ?? own.TokenSize } : this;

    protected override PromptLayer Create(ModelTree model) => new PrefixTuningLayer(model, this);
}
