namespace Peft.Models.Architectures;

/// <summary>ALBERT (Lan et al. 2019, arXiv:1909.11942): BERT whose layers share their weights, with narrow embeddings.</summary>
internal static class Albert
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("hidden_size", 4096).Default("num_attention_heads", 64).Default("intermediate_size", 16384).Default("hidden_act", "gelu_new")
            .Default("hidden_dropout_prob", 0.0).Default("attention_probs_dropout_prob", 0.0);
        var spec = Bert.Common(config, "albert");
        var (layers, groups, inner, width) = (spec.LayerCount, config.Size("num_hidden_groups", 1), config.Size("inner_group_num", 1), config.Size("embedding_size", 128));
        config.Refuse(groups > layers, "num_hidden_groups");
        config.Refuse((long)layers * inner > config.Limits.MaxLayers, "inner_group_num");
        var dropout = config.Number("classifier_dropout_prob", 0.1);
        return spec with
        {
            Names = spec.Names with
            {
                EmbeddingProjection = "encoder.embedding_hidden_mapping_in",
                Layers = "encoder.albert_layer_groups",
                InnerLayers = "albert_layers",
                Query = "query",
                Key = "key",
                Value = "value",
                AttentionOutput = "dense",
                AttentionNorm = "attention.LayerNorm",
                Up = "ffn",
                Down = "ffn_output",
                FeedForwardNorm = "full_layer_layer_norm",
            },
            EmbeddingSize = width,
            ResidualDropout = 0,
            AttentionOutputDropout = spec.ResidualDropout,
            LayerCount = layers * inner,
            InnerLayerCount = inner,
            // The run of group g begins at layer g·layers/groups.
            SharedLayers = [.. Enumerable.Range(0, layers * inner).Select(i => (int)(i / inner / ((double)layers / groups)) * inner + i % inner)],
            Classifier = spec.Classifier with { Dense = "albert.pooler", Dropout = dropout },
            TokenClassifier = spec.TokenClassifier with { Dropout = dropout },
            MaskedHead = new HeadSpec { Dense = "predictions.dense", DenseSize = width, Activation = spec.Activation, Norm = "predictions.LayerNorm", Output = "predictions.decoder", OutputBiasKey = "predictions.bias" },
        };
    }
}
