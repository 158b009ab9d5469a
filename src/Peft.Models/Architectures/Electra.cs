namespace Peft.Models.Architectures;

/// <summary>ELECTRA (Clark et al. 2020, arXiv:2003.10555): BERT whose embeddings may be narrower than the hidden states.</summary>
internal static class Electra
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("hidden_size", 256).Default("num_attention_heads", 4).Default("intermediate_size", 1024);
        var spec = Bert.Common(config, "electra");
        var width = config.Size("embedding_size", 128);
        return spec with
        {
            EmbeddingSize = width == spec.HiddenSize ? null : width,
            Classifier = spec.Classifier with { Dense = "classifier.dense", Activation = Activation.Named("gelu"), Output = "classifier.out_proj", InputDropout = spec.Classifier.Dropout },
            MaskedHead = new HeadSpec
            {
                Dense = "generator_predictions.dense", DenseSize = width, Activation = Activation.Named("gelu"), Norm = "generator_predictions.LayerNorm", Output = "generator_lm_head",
            },
        };
    }
}
