namespace Peft;

/// <summary>Network that computes P-tuning's virtual tokens.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PromptEncoder>))]
[TypeConverter(typeof(EnumNames<PromptEncoder>))]
public enum PromptEncoder
{
    /// <summary>Three linear layers applied to each token separately.</summary>
    [JsonStringEnumMemberName("MLP")] Mlp,

    /// <summary>A bidirectional LSTM over the tokens, followed by two linear layers.</summary>
    [JsonStringEnumMemberName("LSTM")] Lstm,
}

/// <summary>
/// P-tuning (Liu et al. 2021, arXiv:2103.10385): embeddings before the input, computed by a small network. The file holds the network's
/// output; training that continues from a file trains the embeddings directly.
/// </summary>
[MethodDescription("P-tuning", "x ← [g(E); x]", "Liu et al. 2021, arXiv:2103.10385")]
[LearningRate(1e-3, SmallModel = 3e-2)]
public sealed record PTuningOptions() : PromptOptions("P_TUNING")
{
    /// <summary>The network.</summary>
    [JsonPropertyName("encoder_reparameterization_type")] public PromptEncoder Encoder { get; init; }

    /// <summary>Hidden width of the network; the model's hidden size if null.</summary>
    [JsonPropertyName("encoder_hidden_size")] public int? EncoderSize { get; init; }

    /// <summary>Number of layers of the LSTM.</summary>
    [JsonPropertyName("encoder_num_layers")] public int EncoderLayers { get; init; } = 2;

    /// <summary>Dropout probability between the layers of the LSTM.</summary>
    [JsonPropertyName("encoder_dropout")] public double EncoderDropout { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (EncoderSize < 1) yield return $"EncoderSize must be at least 1, but was {EncoderSize}.";
        if (EncoderLayers < 1) yield return $"EncoderLayers must be at least 1, but was {EncoderLayers}.";
        if (EncoderDropout is not (>= 0 and < 1)) yield return $"EncoderDropout must be at least 0 and below 1, but was {EncoderDropout}.";
    }

    /// <inheritdoc/>
    protected override PromptOptions Sized(PromptShape shape) => base.Sized(shape) is var sized && sized is PTuningOptions own ? own with { EncoderSize = EncoderSize ?? own.TokenSize } : sized;

    /// <inheritdoc/>
    protected override PromptLayer Create(ModelTree model) => new PTuningLayer(model, this);
}
