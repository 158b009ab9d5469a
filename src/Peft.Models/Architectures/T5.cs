namespace Peft.Models.Architectures;

/// <summary>T5 1.0 and 1.1 (Raffel et al. 2019, arXiv:1910.10683) and FLAN-T5 (Chung et al. 2022, arXiv:2210.11416).</summary>
internal static class T5
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("is_encoder_decoder", true);
        config.Only("is_decoder", false);
        var encoder = Stack(config, "encoder", config.Size("num_layers", 6)) with { Causal = false };
        var decoder = Stack(config, "decoder", config.Size("num_decoder_layers", encoder.LayerCount));
        var tied = config.Flag("tie_word_embeddings", true);
        return decoder with
        {
            Encoder = encoder,
            TiedHead = tied,
            ClassifyingBase = "transformer",
            Classifier = new HeadSpec
            {
                Dense = "classification_head.dense", Activation = Activation.Named("tanh"), Output = "classification_head.out_proj",
                InputDropout = config.Number("classifier_dropout", 0), Dropout = config.Number("classifier_dropout", 0),
            },
            // Newer configurations have a field for this. In older ones a tied head implies it.
            HeadScale = config.Flag("scale_decoder_outputs", tied) ? 1 / Math.Sqrt(decoder.HiddenSize) : 1,
        };
    }

    /// <summary>mT5 (Xue et al. 2020, arXiv:2010.11934): the head has its own weight and reads unscaled states.</summary>
    public static TransformerSpec DescribeMultilingual(ModelConfig config)
        => Describe(config.Default("num_layers", 8).Default("num_heads", 6).Default("d_ff", 1024).Default("feed_forward_proj", "gated-gelu").Default("vocab_size", 250112)) with { HeadScale = 1 };

    /// <summary>UMT5 (Chung et al. 2023, arXiv:2304.09151): mT5 with biases of relative positions in each layer, and a tied head.</summary>
    public static TransformerSpec DescribeUniversal(ModelConfig config)
    {
        var spec = Describe(config.Default("num_layers", 8).Default("num_heads", 6).Default("d_ff", 1024).Default("feed_forward_proj", "gated-gelu").Default("vocab_size", 250112));
        return spec with
        {
            RelativePositions = spec.RelativePositions! with { PerLayer = true },
            Encoder = spec.Encoder! with { RelativePositions = spec.RelativePositions with { PerLayer = true } },
        };
    }

    private static TransformerSpec Stack(ModelConfig config, string name, int layers)
    {
        var heads = config.Size("num_heads", 8);
        var dropout = config.Number("dropout_rate", 0.1);
        var (activation, gated) = FeedForward(config);
        var decodes = name == "decoder";
        var last = decodes ? 2 : 1;
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = name, Embedding = "shared", Layers = "block", FinalNorm = "final_layer_norm",
                Attention = "layer.0.SelfAttention", Query = "q", Key = "k", Value = "v", AttentionOutput = "o", AttentionNorm = "layer.0.layer_norm",
                CrossAttention = "layer.1.EncDecAttention", CrossAttentionNorm = "layer.1.layer_norm",
                FeedForward = $"layer.{last}.DenseReluDense", Gate = "wi_0", Up = gated ? "wi_1" : "wi", Down = "wo",
                FeedForwardNorm = $"layer.{last}.layer_norm",
            },
            VocabularySize = config.Size("vocab_size", 32128),
            HiddenSize = config.Size("d_model", 512),
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = config.Size("d_kv", 64),
            IntermediateSize = config.Size("d_ff", 2048),
            MaxPositions = int.MaxValue,
            Activation = activation,
            GatedFeedForward = gated,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-6),
            AttentionScale = 1,
            RelativePositions = new(config.Size("relative_attention_num_buckets", 32), config.Size("relative_attention_max_distance", 128)),
            EmbeddingDropout = dropout,
            AttentionDropout = dropout,
            ResidualDropout = dropout,
            FeedForwardDropout = dropout,
            FinalDropout = dropout,
            FanInInit = true,
        };
    }

    // "relu", or "gated-gelu", in which gelu means the tanh approximation that the model was trained with.
    private static (Activation Activation, bool Gated) FeedForward(ModelConfig config)
    {
        const string gate = "gated-";
        var text = config.Text("feed_forward_proj", "relu")!;
        var gated = text.StartsWith(gate, StringComparison.Ordinal);
        var name = gated ? text[gate.Length..] : text;
        var named = config.With("feed_forward_proj", gated && name == "gelu" ? "gelu_new" : name);
        return (Activation.Read(named, "feed_forward_proj", "relu"), gated);
    }
}
