using System.Text.Json.Nodes;

namespace Peft.Models.Architectures;

/// <summary>MPT (MosaicML 2023): linear biases of the attention scores in place of positions, no other biases.</summary>
internal static class Mpt
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("no_bias", true);
        config.Refuse(config.Has("logit_scale"), "logit_scale");
        var (hidden, heads) = (config.Size("d_model", 2048), config.Size("n_heads", 16));
        var fields = config.Object("attn_config")?.DeepClone().AsObject() ?? [];
        fields["model_type"] = config.ModelType;
        var attention = new ModelConfig(fields, $"{config.Source}: attn_config");
        attention.Only("alibi", true);
        attention.Only("qk_ln", false);
        attention.Only("prefix_lm", false);
        attention.Only("attn_uses_sequence_id", false);
        attention.Refuse(attention.Has("clip_qkv"), "clip_qkv");
        attention.Refuse(attention.Text("attn_type", "multihead_attention") != "multihead_attention", "attn_type");
        var dropout = attention.Number("attn_pdrop", 0);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "transformer", Embedding = "wte", Layers = "blocks", FinalNorm = "norm_f", AttentionNorm = "norm_1", FeedForwardNorm = "norm_2",
                Attention = "attn", QueryKeyValue = "Wqkv", AttentionOutput = "out_proj", FeedForward = "ffn",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("n_layers", 24),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = 4 * hidden,   // transformers ignores expansion_ratio
            MaxPositions = config.Size("max_seq_len", 2048),
            Activation = Activation.Named("gelu"),
            Norm = NormKind.Layer,
            NormBias = false,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            AttentionProjections = ProjectionLayout.Joined,
            AttentionScale = attention.Has("softmax_scale") ? attention.Number("softmax_scale", 0) : null,
            Alibi = new AlibiSettings(AlibiSettings.Spread(heads)),   // transformers ignores alibi_bias_max
            TiedHead = config.Flag("tie_word_embeddings", true),
            AttentionDropout = dropout,
            ResidualDropout = dropout,
            AttentionOutputDropout = dropout,
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = config.Number("classifier_dropout", config.Number("hidden_dropout", 0.1)) },
        };
    }
}
