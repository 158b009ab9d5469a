namespace Peft.Models;

/// <summary>The names of a transformer's modules, as Hugging Face's checkpoints have them; they may have dots. The defaults are Llama's.</summary>
public sealed record TransformerNames
{
    /// <summary>Path of the model without its head.</summary>
    public string Base { get; init; } = "model";

    /// <summary>Token embedding.</summary>
    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>What the encoder and the decoder of one model call the token embedding that they share.</summary>
    public string EmbeddingCopy { get; init; } = "embed_tokens";

    /// <summary>Learned positions.</summary>
    public string Positions { get; init; } = "embed_positions";

    /// <summary>Embedding of token types.</summary>
    public string TokenTypes { get; init; } = "token_type_embeddings";

    /// <summary>Norm over the embeddings.</summary>
    public string EmbeddingNorm { get; init; } = "embeddings.LayerNorm";

    /// <summary>List of layers.</summary>
    public string Layers { get; init; } = "layers";

    /// <summary>Norm after the last layer.</summary>
    public string FinalNorm { get; init; } = "norm";

    /// <summary>Head of the language model.</summary>
    public string Head { get; init; } = "lm_head";

    /// <summary>Attention.</summary>
    public string Attention { get; init; } = "self_attn";

    /// <summary>Query projection.</summary>
    public string Query { get; init; } = "q_proj";

    /// <summary>Key projection.</summary>
    public string Key { get; init; } = "k_proj";

    /// <summary>Value projection.</summary>
    public string Value { get; init; } = "v_proj";

    /// <summary>Joined projection of query, key and value.</summary>
    public string QueryKeyValue { get; init; } = "qkv_proj";

    /// <summary>The attention's output projection.</summary>
    public string AttentionOutput { get; init; } = "o_proj";

    /// <summary>The projections of attention as the original lists them, where that is not query, key, value and output: methods that number modules depend on it.</summary>
    public IReadOnlyList<string> AttentionOrder { get; init; } = [];

    /// <summary>Norm per head of queries.</summary>
    public string QueryNorm { get; init; } = "q_norm";

    /// <summary>Norm per head of keys.</summary>
    public string KeyNorm { get; init; } = "k_norm";

    /// <summary>Feed-forward network; null if its projections are the layer's own (OPT).</summary>
    public string? FeedForward { get; init; } = "mlp";

    /// <summary>Projection into the activation.</summary>
    public string Gate { get; init; } = "gate_proj";

    /// <summary>Projection beside the gate, or the only one.</summary>
    public string Up { get; init; } = "up_proj";

    /// <summary>Joined projection of gate and up.</summary>
    public string GateUp { get; init; } = "gate_up_proj";

    /// <summary>Projection back to the residual stream.</summary>
    public string Down { get; init; } = "down_proj";

    /// <summary>Embedding of relative positions, in the first layer's attention.</summary>
    public string RelativePositions { get; init; } = "relative_attention_bias";

    /// <summary>Attention to an encoder's states.</summary>
    public string CrossAttention { get; init; } = "encoder_attn";

    /// <summary>Norm before cross-attention.</summary>
    public string CrossAttentionNorm { get; init; } = "encoder_attn_layer_norm";

    /// <summary>Norm before attention; after it where norms come after the sums.</summary>
    public string AttentionNorm { get; init; } = "input_layernorm";

    /// <summary>Norm before the feed-forward network; after it where norms come after the sums.</summary>
    public string FeedForwardNorm { get; init; } = "post_attention_layernorm";

    /// <summary>Norm over what attention adds; null for none.</summary>
    public string? AttentionOutputNorm { get; init; }

    /// <summary>Norm over what the feed-forward network adds; null for none.</summary>
    public string? FeedForwardOutputNorm { get; init; }
}
