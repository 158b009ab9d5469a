using System.Text.Json.Serialization;
using Peft.Prefix;

namespace Peft;

/// <summary>
/// Prefix tuning (Li and Liang 2021, arXiv:2101.00190): learned keys and values before the input in every layer. With a projection the file
/// holds what it gave; training that goes on from a file trains the keys and values themselves.
/// </summary>
[MethodDescription("Prefix tuning", "K ← [Pₖ; K], V ← [Pᵥ; V]", "Li and Liang 2021, arXiv:2101.00190")]
[LearningRate(5e-3, SmallModel = 1e-1)]
public sealed record PrefixTuningOptions() : KeyValueOptions("PREFIX_TUNING")
{
    /// <summary>Whether two linear layers make keys and values from embeddings, as the paper does in training.</summary>
    [JsonPropertyName("prefix_projection")] public bool Projection { get; init; }

    /// <summary>Width between the two layers; that of a layer's keys if null.</summary>
    [JsonPropertyName("encoder_hidden_size")] public int? EncoderSize { get; init; }

    /// <summary><c>zero</c> for keys and values of 0; normal numbers if null.</summary>
    [JsonPropertyName("init_weights")] public string? InitWeights { get; init; }

    /// <summary>
    /// Whether a learned gate in each layer scales the prefix's keys and values: σ of a linear function of what the attention reads, averaged over the sequence;
    /// in a causal model over what each position sees (Mao et al. 2021, arXiv:2110.07577). Hugging Face PEFT has none.
    /// </summary>
    [JsonPropertyName("use_gating"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool UseGating { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (InitWeights is not (null or "zero")) yield return $"InitWeights must be \"zero\" or left out, but was \"{InitWeights}\".";
        if (EncoderSize < 1) yield return $"EncoderSize must be at least 1, but was {EncoderSize}.";
        if (StartText is not null && (Projection || InitWeights is not null)) yield return "With StartText the keys and values themselves are what starts: leave Projection and InitWeights out.";
    }

    /// <inheritdoc/>
    protected override PromptOptions Sized(PromptShape shape) => base.Sized(shape) is PrefixTuningOptions own ? own with { EncoderSize = EncoderSize ?? own.TokenSize } : this;

    /// <inheritdoc/>
    protected override PromptLayer Create(ModelTree model) => new PrefixTuningLayer(model, this);
}
