using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A pretrained transformer that prepends virtual tokens to its input, as <see cref="PeftModel.Prompts"/> requires in each pass. Prompt methods need such a
/// model.
/// </summary>
public interface IPromptedModel : IPretrainedModel
{
    /// <summary>The sizes that virtual tokens must have.</summary>
    PromptShape PromptShape { get; }

    /// <summary>The keys and values that each layer computes for a text, without adapters: one pair per layer, <c>[1, key/value heads, sequence, head size]</c>.</summary>
    /// <param name="inputIds">Token ids of the text, <c>[1, sequence]</c>.</param>
    IReadOnlyList<KeyValuePrefix> KeysAndValues(Tensor inputIds);
}

/// <summary>The sizes of a transformer that virtual tokens depend on.</summary>
/// <param name="HiddenSize">Width of an embedding.</param>
/// <param name="LayerCount">Number of layers; for an encoder-decoder model those of the encoder, as in Hugging Face PEFT.</param>
/// <param name="HeadCount">Number of attention heads.</param>
/// <param name="KeyValueHeadCount">Number of key/value heads.</param>
/// <param name="HeadSize">Width of a head.</param>
/// <param name="SubmoduleCount">2 for an encoder-decoder model, otherwise 1.</param>
/// <param name="IsCausal">True for a decoder, which predicts the next token.</param>
public sealed record PromptShape(int HiddenSize, int LayerCount, int HeadCount, int KeyValueHeadCount, int HeadSize, int SubmoduleCount, bool IsCausal)
{
    /// <summary>Number of layers with a key/value prefix: for an encoder-decoder model those of the decoder.</summary>
    public int PrefixedLayerCount { get; init; } = LayerCount;

    /// <summary>Factor by which the model scales looked-up embeddings (Gemma: √hidden).</summary>
    public double LookupScale { get; init; } = 1;
}

/// <summary>Keys and values that precede those of a layer's input.</summary>
/// <param name="Keys"><c>[batch, key/value heads, length, head size]</c>, already rotated if the model uses rotary embeddings.</param>
/// <param name="Values"><c>[batch, key/value heads, length, head size]</c></param>
public sealed record KeyValuePrefix(Tensor Keys, Tensor Values);

/// <summary>Additional tokens in the attention of one layer, with a separate softmax and a gate (Zhang et al. 2023, arXiv:2303.16199).</summary>
/// <param name="Layer">Index of the layer.</param>
/// <param name="Tokens">Hidden states <c>[1, length, hidden]</c>, which the layer projects to keys and values.</param>
/// <param name="Gate">Factor of the attention output over these tokens, <c>[1]</c>, or <c>[batch, 1, 1, 1]</c> for one per row.</param>
public sealed record AttentionPrompt(int Layer, Tensor Tokens, Tensor Gate)
{
    /// <summary>1 for rows with these tokens and 0 for others, <c>[batch, 1, 1, 1]</c>; null if all rows have them.</summary>
    public Tensor? Rows { get; init; }
}
