namespace Peft;

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
    [JsonPropertyName("encoder_hidden_size"), AtLeast(1)] public int? EncoderSize { get; init; }

    /// <summary>Number of layers of the LSTM.</summary>
    [JsonPropertyName("encoder_num_layers"), AtLeast(1)] public int EncoderLayers { get; init; } = 2;

    /// <summary>Dropout probability between the layers of the LSTM.</summary>
    [JsonPropertyName("encoder_dropout"), Probability] public double EncoderDropout { get; init; }

    protected override PromptOptions Sized(PromptShape shape) => base.Sized(shape) is var sized && sized is PTuningOptions own ? own with { EncoderSize = EncoderSize ?? own.TokenSize } : sized;

    protected override PromptLayer Create(ModelTree model) => new PTuningLayer(model, this);
}
