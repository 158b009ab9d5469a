using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Inputs of one forward pass. The tensors stay the caller's.</summary>
public sealed record ModelInput
{
    /// <summary>Token ids <c>[batch, sequence]</c>; either these or <see cref="Embeddings"/>.</summary>
    public Tensor? InputIds { get; init; }

    /// <summary>Embeddings <c>[batch, sequence, hidden]</c> in place of token ids.</summary>
    public Tensor? Embeddings { get; init; }

    /// <summary>
    /// 1 for a real token and 0 for padding, <c>[batch, sequence]</c>, or <c>[batch, past + sequence]</c> with a cache or prefix;
    /// null if there is no padding.
    /// </summary>
    public Tensor? AttentionMask { get; init; }

    /// <summary>The token ids that <see cref="Embeddings"/> stand for, -1 where there are none; null where they are not known.</summary>
    internal Tensor? TokenIds { get; init; }

    /// <summary>1 for positions that are a distance to the windows of layers, <c>[batch, past + sequence]</c>; null if all are.</summary>
    internal Tensor? CountedPositions { get; init; }

    /// <summary>Token types <c>[batch, sequence]</c>, such as 0 for a question and 1 for its context; all 0 if null. For models that have them.</summary>
    public Tensor? TokenTypeIds { get; init; }

    /// <summary>
    /// Positions <c>[batch, sequence]</c>. By default they count on from the cache or prefix, starting at each row's first real token.
    /// </summary>
    public Tensor? PositionIds { get; init; }

    /// <summary>Keys and values of earlier tokens; the new ones are added. For inference only.</summary>
    public KeyValueCache? Cache { get; init; }

    /// <summary>Keys and values that stand before the input, a pair per layer, as prefix tuning learns them; in an encoder-decoder model before the decoder's. Not counted again once a cache holds them.</summary>
    public IReadOnlyList<KeyValuePrefix>? Prefix { get; init; }

    /// <summary>How far the prefix of each layer is open, also where a cache holds it; null for all the way.</summary>
    public IReadOnlyList<PrefixGate>? PrefixGates { get; init; }

    /// <summary>Tokens that the attention of layers reads besides, as LLaMA-Adapter learns them; of an encoder-decoder model the decoder's.</summary>
    public IReadOnlyList<AttentionPrompt> InAttention { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = [];

    /// <summary>Whether the layers read what has a gradient and is not their input: none of them can then be run again by itself.</summary>
    internal bool SharesGraph { get; init; }

    /// <summary>The pass that reads it, of a model with adapters.</summary>
    internal PassLease? Pass { get; init; }

    /// <summary>Lengths of the sequences that lie end to end in the single row; null otherwise.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>What an encoder-decoder model has written so far, <c>[batch, target]</c>, beginning with its start token.</summary>
    public Tensor? DecoderInputIds { get; init; }

    /// <summary>Embeddings <c>[batch, target, hidden]</c> in place of <see cref="DecoderInputIds"/>.</summary>
    public Tensor? DecoderEmbeddings { get; init; }

    /// <summary>1 for a real token of <see cref="DecoderInputIds"/> and 0 for padding; with a cache or prefix also <c>[batch, past + target]</c>.</summary>
    public Tensor? DecoderAttentionMask { get; init; }

    /// <summary>What the encoder of an encoder-decoder model gave, <c>[batch, source, hidden]</c>, in place of its input; <see cref="AttentionMask"/> still tells the padding.</summary>
    public Tensor? EncoderOutput { get; init; }

    /// <summary>The inputs of a batch; those beside ids and mask stand in <see cref="Batch.Extra"/> by Hugging Face's names.</summary>
    public static ModelInput From(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return new()
        {
            InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, PackedLengths = batch.PackedLengths,
            TokenTypeIds = batch.Extra.GetValueOrDefault("token_type_ids"), PositionIds = batch.Extra.GetValueOrDefault("position_ids"),
            DecoderInputIds = batch.Extra.GetValueOrDefault("decoder_input_ids"), DecoderAttentionMask = batch.Extra.GetValueOrDefault("decoder_attention_mask"),
        };
    }
}
