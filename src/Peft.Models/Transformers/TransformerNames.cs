namespace Peft.Models;

/// <summary>The names of a transformer's modules in Hugging Face checkpoints; dotted paths are allowed. The defaults are Llama's.</summary>
public sealed record TransformerNames
{
    /// <summary>Path of the model without its head.</summary>
    public string Base { get; init; } = "model";

    /// <summary>Token embedding.</summary>
    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>Name under which encoder and decoder each register their shared token embedding.</summary>
    public string EmbeddingCopy { get; init; } = "embed_tokens";

    /// <summary>Learned position embedding.</summary>
    public string Positions { get; init; } = "embed_positions";

    /// <summary>Embedding of token types.</summary>
    public string TokenTypes { get; init; } = "token_type_embeddings";

    /// <summary>Norm over the embeddings.</summary>
    public string EmbeddingNorm { get; init; } = "embeddings.LayerNorm";

    /// <summary>List of layers.</summary>
    public string Layers { get; init; } = "layers";

    /// <summary>List of layers in each entry of that list; null if the entries are the layers (ALBERT has groups).</summary>
    public string? InnerLayers { get; init; }

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

    /// <summary>The attention projections in the order of the original implementation; empty for query, key, value and output. Methods that number modules depend on it.</summary>
    public IReadOnlyList<string> AttentionOrder { get; init; } = [];

    /// <summary>Norm of each query head.</summary>
    public string QueryNorm { get; init; } = "q_norm";

    /// <summary>Norm of each key head.</summary>
    public string KeyNorm { get; init; } = "k_norm";

    /// <summary>Feed-forward network; null if its projections are registered directly in the layer (OPT).</summary>
    public string? FeedForward { get; init; } = "mlp";

    /// <summary>Gate projection, whose output is activated.</summary>
    public string Gate { get; init; } = "gate_proj";

    /// <summary>Up projection: its output is multiplied by the gate, if there is one.</summary>
    public string Up { get; init; } = "up_proj";

    /// <summary>Joined projection of gate and up.</summary>
    public string GateUp { get; init; } = "gate_up_proj";

    /// <summary>Projection back to the residual stream.</summary>
    public string Down { get; init; } = "down_proj";

    /// <summary>Embedding of relative positions, in the attention of the first layer or of each.</summary>
    public string RelativePositions { get; init; } = "relative_attention_bias";

    /// <summary>Path of the embedding of relative positions in the stack, if it is not in a layer (MPNet).</summary>
    public string? StackRelativePositions { get; init; }

    /// <summary>Norm of the embedding of relative positions in the stack (DeBERTa).</summary>
    public string RelativePositionsNorm { get; init; } = "encoder.LayerNorm";

    /// <summary>Projection of relative positions to keys, in the attention (DeBERTa).</summary>
    public string PositionKey { get; init; } = "pos_key_proj";

    /// <summary>Projection of relative positions to queries, in the attention (DeBERTa).</summary>
    public string PositionQuery { get; init; } = "pos_query_proj";

    /// <summary>Projection of the embeddings to the hidden size, if their sizes differ (ELECTRA).</summary>
    public string EmbeddingProjection { get; init; } = "embeddings_project";

    /// <summary>Cross-attention to an encoder's output.</summary>
    public string CrossAttention { get; init; } = "encoder_attn";

    /// <summary>Norm before cross-attention.</summary>
    public string CrossAttentionNorm { get; init; } = "encoder_attn_layer_norm";

    /// <summary>Norm before attention; with post-norm after the residual sum.</summary>
    public string AttentionNorm { get; init; } = "input_layernorm";

    /// <summary>Norm before the feed-forward network; with post-norm after the residual sum.</summary>
    public string FeedForwardNorm { get; init; } = "post_attention_layernorm";

    /// <summary>Norm of the attention's output, before the residual sum; null for none.</summary>
    public string? AttentionOutputNorm { get; init; }

    /// <summary>Norm of the feed-forward network's output, before the residual sum; null for none.</summary>
    public string? FeedForwardOutputNorm { get; init; }
}
