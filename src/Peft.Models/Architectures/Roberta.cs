namespace Peft.Models.Architectures;

/// <summary>RoBERTa (Liu et al. 2019, arXiv:1907.11692) and XLM-RoBERTa (Conneau et al. 2019, arXiv:1911.02116): BERT with different heads, and position ids that skip padding.</summary>
internal static class Roberta
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var spec = Bert.Common(config, "roberta");
        var padding = config.PadTokenId ?? 1;
        return spec with
        {
            MaxPositions = spec.MaxPositions - padding - 1,
            LearnedPositionOffset = padding + 1,   // the rows up to the padding token's id are reserved for padding
            Positions = PositionRule.TokensButPadding,
            PaddingId = padding,
            Classifier = spec.Classifier with { Dense = "classifier.dense", Output = "classifier.out_proj", InputDropout = spec.Classifier.Dropout },
            MaskedHead = new HeadSpec
            {
                Dense = "lm_head.dense", Activation = Activation.Named("gelu"), Norm = "lm_head.layer_norm",
                Output = "lm_head.decoder", OutputBiasKey = "lm_head.bias",
            },
        };
    }
}
