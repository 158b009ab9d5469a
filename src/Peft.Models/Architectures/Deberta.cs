using System.Text.Json.Nodes;

namespace Peft.Models.Architectures;

/// <summary>DeBERTa v2 and v3 (He et al. 2020, arXiv:2006.03654; 2021, arXiv:2111.09543): BERT with disentangled attention.</summary>
internal static class Deberta
{
    public static TransformerSpec Describe2(ModelConfig config)
    {
        config = config.Default("hidden_size", 1536).Default("num_attention_heads", 24).Default("num_hidden_layers", 24).Default("intermediate_size", 6144).Default("type_vocab_size", 0).Default("layer_norm_eps", 1e-7);
        var types = config.Whole("type_vocab_size") ?? 0;
        var spec = Bert.Common(types == 0 ? config.With("type_vocab_size", 1) : config, "deberta");
        config.Refuse(config.Whole("conv_kernel_size") > 0, "conv_kernel_size");
        config.OnlyAbsentOr("embedding_size", spec.HiddenSize);
        config.OnlyAbsentOr("attention_head_size", spec.HeadSize);
        config.OnlyAbsentOr("pooler_hidden_size", spec.HiddenSize);
        var kinds = Kinds(config);
        var (relative, dropout) = (config.Flag("relative_attention", false), spec.ResidualDropout);
        var headDropout = config.Number("cls_dropout", dropout);
        return spec with
        {
            Names = spec.Names with { Query = "self.query_proj", Key = "self.key_proj", Value = "self.value_proj", StackRelativePositions = "encoder.rel_embeddings", PositionKey = "self.pos_key_proj", PositionQuery = "self.pos_query_proj" },
            TokenTypeCount = types,
            LearnedPositionOffset = config.Flag("position_biased_input", true) ? 0 : null,
            AttentionScale = 1 / Math.Sqrt(spec.HeadSize * (1.0 + kinds.Count)),
            Disentangled = relative ? Positions(config, kinds, dropout) : new(0, 0) { ContentToPosition = false, PositionToContent = false },
            Classifier = new HeadSpec
            {
                Dense = "pooler.dense", Activation = Activation.Read(config, "pooler_hidden_act", "gelu"), InputDropout = config.Number("pooler_dropout", 0), Output = "classifier", Dropout = headDropout,
            },
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = dropout },
            MaskedHead = !config.Flag("legacy", true) ? null : new HeadSpec
            {
                Dense = "cls.predictions.transform.dense", Activation = spec.Activation, Norm = "cls.predictions.transform.LayerNorm", Output = "cls.predictions.decoder", OutputBiasKey = "cls.predictions.bias",
            },
        };
    }

    private static DisentangledPositions Positions(ModelConfig config, IReadOnlySet<string> kinds, double dropout)
    {
        var most = config.Whole("max_relative_positions") ?? -1;
        if (most < 1) most = config.Size("max_position_embeddings", 512);
        var buckets = config.Whole("position_buckets") ?? -1;
        config.Refuse(buckets is 1 or 2 or 3, "position_buckets");
        return new(buckets > 0 ? buckets : most, most)
        {
            Buckets = buckets > 0,
            ContentToPosition = kinds.Contains("c2p"),
            PositionToContent = kinds.Contains("p2c"),
            SharesProjections = config.Flag("share_att_key", false),
            IsNormalized = config.Text("norm_rel_ebd", "none")!.Split('|').Contains("layer_norm"),
            Dropout = dropout,
        };
    }

    // A list, or the older text c2p|p2c.
    private static IReadOnlySet<string> Kinds(ModelConfig config)
    {
        var kinds = config["pos_att_type"] is JsonValue ? config.Text("pos_att_type", "")!.ToLowerInvariant().Split('|', StringSplitOptions.RemoveEmptyEntries).Select(kind => kind.Trim()) : config.Texts("pos_att_type") ?? [];
        var known = kinds.ToHashSet();
        config.Refuse(known.Any(kind => kind is not ("c2p" or "p2c")), "pos_att_type");
        return known;
    }
}
