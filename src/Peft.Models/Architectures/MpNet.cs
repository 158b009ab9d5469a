namespace Peft.Models.Architectures;

/// <summary>MPNet (Song et al. 2020, arXiv:2004.09297): RoBERTa with a bias of relative positions for all layers, and without token types.</summary>
internal static class MpNet
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.OnlyAbsentOr("relative_attention_num_buckets", 32);   // transformers has 32 in its code
        var spec = Roberta.Describe(config.With("pad_token_id", 1));   // likewise
        return spec with
        {
            Names = spec.Names with
            {
                Base = "mpnet",
                Query = "attn.q",
                Key = "attn.k",
                Value = "attn.v",
                AttentionOutput = "attn.o",
                AttentionNorm = "attention.LayerNorm",
                StackRelativePositions = "encoder.relative_attention_bias",
            },
            TokenTypeCount = 0,
            RelativePositions = new(32, 128),
        };
    }
}
