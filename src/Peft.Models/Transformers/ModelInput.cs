using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Inputs of one forward pass. The caller keeps ownership of the tensors.</summary>
public sealed record ModelInput
{
    /// <summary>Token ids <c>[batch, sequence]</c>; either these or <see cref="Embeddings"/>.</summary>
    public Tensor? InputIds { get; init; }

    /// <summary>Embeddings <c>[batch, sequence, hidden]</c> instead of token ids.</summary>
    public Tensor? Embeddings { get; init; }

    /// <summary>
    /// 1 for a real token and 0 for padding, <c>[batch, sequence]</c>, or <c>[batch, past + sequence]</c> with a cache or prefix;
    /// null if there is no padding.
    /// </summary>
    public Tensor? AttentionMask { get; init; }

    /// <summary>The token ids of <see cref="Embeddings"/>, -1 for virtual tokens; null if they are unknown.</summary>
    internal Tensor? TokenIds { get; init; }

    /// <summary>Number of virtual tokens at the beginning of the positions; in an encoder-decoder model, of the decoder's positions.</summary>
    internal int VirtualTokens { get; init; }

    /// <summary>Number of virtual tokens at the beginning of the encoder's positions.</summary>
    internal int EncoderVirtualTokens { get; init; }

    /// <summary>1 for positions that count towards distances in sliding windows, <c>[batch, past + sequence]</c>; null if all do.</summary>
    internal Tensor? CountedPositions { get; init; }

    /// <summary>Token type ids <c>[batch, sequence]</c>, such as 0 for a question and 1 for its context; null for all 0. Only for models with token types.</summary>
    public Tensor? TokenTypeIds { get; init; }

    /// <summary>
    /// Position ids <c>[batch, sequence]</c>. By default they continue after the cache or prefix and start at each row's first real token.
    /// </summary>
    public Tensor? PositionIds { get; init; }

    /// <summary>Keys and values of earlier tokens. Those of the new tokens are appended. For inference only.</summary>
    public KeyValueCache? Cache { get; init; }

    /// <summary>
    /// Keys and values that precede the input, a pair per layer, as in prefix tuning. In an encoder-decoder model, they precede the decoder's input. Ignored once the
    /// cache contains them.
    /// </summary>
    public IReadOnlyList<KeyValuePrefix>? Prefix { get; init; }

    /// <summary>Gate of each layer's prefix, also for a prefix inside the cache; null if the prefix is always fully attended.</summary>
    public IReadOnlyList<PrefixGate>? PrefixGates { get; init; }

    /// <summary>Virtual tokens that layers attend to separately, as in LLaMA-Adapter. In an encoder-decoder model, they belong to the decoder.</summary>
    public IReadOnlyList<AttentionPrompt> InAttention { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = [];

    /// <summary>True if layers read tensors that require grad in addition to their input. Layers cannot be checkpointed then.</summary>
    internal bool SharesGraph { get; init; }

    /// <summary>The forward pass that this input belongs to, if the model has adapters.</summary>
    internal PassHandle? Pass { get; init; }

    /// <summary>Lengths of the sequences packed into the single row; null if rows are single sequences.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>For each packed sequence, the index of an earlier one that it continues, such as a prompt that several completions share; −1 for none. Null if no sequence continues another.</summary>
    internal IReadOnlyList<int>? PackedParents { get; init; }

    /// <summary>
    /// Lengths of prompts whose tokens are the rows of the batch, one after another, so that none is padded; null if rows are sequences. Each prompt becomes a row of the cache, which must be empty; shorter ones begin with
    /// padding there.
    /// </summary>
    internal IReadOnlyList<int>? PromptLengths { get; init; }

    /// <summary>Token ids of the decoder's input, <c>[batch, target]</c>, beginning with the start token.</summary>
    public Tensor? DecoderInputIds { get; init; }

    /// <summary>Embeddings <c>[batch, target, hidden]</c> instead of <see cref="DecoderInputIds"/>.</summary>
    public Tensor? DecoderEmbeddings { get; init; }

    /// <summary>1 for a real token of <see cref="DecoderInputIds"/> and 0 for padding; with a cache or prefix also <c>[batch, past + target]</c>.</summary>
    public Tensor? DecoderAttentionMask { get; init; }

    /// <summary>The encoder's output, <c>[batch, source, hidden]</c>, instead of its input. <see cref="AttentionMask"/> still marks the padding.</summary>
    public Tensor? EncoderOutput { get; init; }

    /// <summary>The inputs of a batch. All but ids and mask are taken from <see cref="Batch.Extra"/>, by Hugging Face's names.</summary>
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
