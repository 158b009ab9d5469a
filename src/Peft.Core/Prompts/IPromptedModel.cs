using static TorchSharp.torch;

namespace Peft;

/// <summary>A pretrained transformer that puts virtual tokens before its input, as <see cref="PeftModel.Prompts"/> says in each pass: what the prompt family of methods needs of a model.</summary>
public interface IPromptedModel : IPretrainedModel
{
    /// <summary>The sizes that virtual tokens must have.</summary>
    PromptShape PromptShape { get; }

    /// <summary>The keys and values that each layer computes for a text, without adapters: a pair per layer, <c>[1, key/value heads, sequence, head size]</c>.</summary>
    /// <param name="inputIds">Its token ids <c>[1, sequence]</c>.</param>
    IReadOnlyList<KeyValuePrefix> KeysAndValues(Tensor inputIds);
}

/// <summary>The sizes of a transformer that virtual tokens depend on.</summary>
/// <param name="HiddenSize">Width of an embedding.</param>
/// <param name="LayerCount">Layers; of an encoder-decoder model the encoder's, as Hugging Face PEFT counts.</param>
/// <param name="HeadCount">Attention heads.</param>
/// <param name="KeyValueHeadCount">Heads that have keys and values of their own.</param>
/// <param name="HeadSize">Width of a head.</param>
/// <param name="SubmoduleCount">2 for an encoder with a decoder, otherwise 1.</param>
/// <param name="IsCausal">Whether it predicts the next token, as a decoder does.</param>
public sealed record PromptShape(int HiddenSize, int LayerCount, int HeadCount, int KeyValueHeadCount, int HeadSize, int SubmoduleCount, bool IsCausal)
{
    /// <summary>Layers that read keys and values before their input: of an encoder-decoder model the decoder's.</summary>
    public int PrefixedLayerCount { get; init; } = LayerCount;

    /// <summary>Factor of the embedding's rows where tokens are looked up (Gemma: √hidden).</summary>
    public double LookupScale { get; init; } = 1;
}

/// <summary>Keys and values that a layer sees before its input.</summary>
/// <param name="Keys"><c>[batch, key/value heads, length, head size]</c>, rotated already where the model rotates.</param>
/// <param name="Values"><c>[batch, key/value heads, length, head size]</c></param>
public sealed record KeyValuePrefix(Tensor Keys, Tensor Values);

/// <summary>Tokens that the attention of one layer reads besides, with a softmax of their own and a gate (Zhang et al. 2023, arXiv:2303.16199).</summary>
/// <param name="Layer">Number of the layer.</param>
/// <param name="Tokens">Hidden states <c>[1, length, hidden]</c>, which the layer projects to keys and values.</param>
/// <param name="Gate">Factor of what is read, <c>[1]</c>, or <c>[batch, 1, 1, 1]</c> for each row its own.</param>
public sealed record AttentionPrompt(int Layer, Tensor Tokens, Tensor Gate)
{
    /// <summary>1 for rows that have it and 0 for others, <c>[batch, 1, 1, 1]</c>; null if all do.</summary>
    public Tensor? Rows { get; init; }
}
