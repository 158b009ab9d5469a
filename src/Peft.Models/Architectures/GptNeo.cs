using System.Text.Json.Nodes;

namespace Peft.Models.Architectures;

/// <summary>GPT-Neo (Black et al. 2021): GPT-2 with separate projections, unscaled scores, and a sliding window on every other layer.</summary>
internal static class GptNeo
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var hidden = config.Size("hidden_size");
        var (heads, layers) = (config.Size("num_heads"), config.Size("num_layers"));
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "transformer", Embedding = "wte", Positions = "wpe", Layers = "h", FinalNorm = "ln_f",
                Attention = "attn.attention", AttentionOutput = "out_proj", AttentionOrder = ["k_proj", "v_proj", "q_proj", "out_proj"],
                Up = "c_fc", Down = "c_proj", AttentionNorm = "ln_1", FeedForwardNorm = "ln_2",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("intermediate_size", 4 * hidden),
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Activation = Activation.Read(config, "activation_function", "gelu_new"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            AttentionScale = 1,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            LearnedPositionOffset = 0,
            Windows = Windows(config, layers),
            TiedHead = config.Flag("tie_word_embeddings", true),
            EmbeddingDropout = config.Number("embed_dropout", 0),
            AttentionDropout = config.Number("attention_dropout", 0),
            ResidualDropout = config.Number("resid_dropout", 0),
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = config.Number("classifier_dropout", 0.1) },
        };
    }

    // [[["global", "local"], 12]]: both types, repeated 12 times.
    private static int?[] Windows(ModelConfig config, int layers)
    {
        var window = config.Size("window_size", 256);
        var types = config["attention_types"] is JsonArray groups
            ? groups.SelectMany(group => group is JsonArray { Count: 2 } pair && pair[0] is JsonArray kinds && pair[1] is JsonValue times && times.TryGetValue<int>(out var count) && count >= 0 && count <= layers
                ? Enumerable.Repeat(kinds.Select(kind => kind?.ToString()), count).SelectMany(each => each) : [null]).ToList()
            : [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0 ? "global" : "local")];
        config.Refuse(types.Count != layers || types.Any(type => type is not ("global" or "local")), "attention_types");
        return [.. types.Select(type => type == "local" ? window : (int?)null)];
    }
}
