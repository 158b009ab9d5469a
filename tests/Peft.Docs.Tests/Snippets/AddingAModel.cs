using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class AddingAModel : InFolder
{
    // snippet: stablelm
    private static TransformerSpec StableLm(ModelConfig config)
    {
        config.Only("use_parallel_residual", false);   // unsupported values throw an exception; none is ignored
        config.Only("qk_layernorm", false);
        var heads = config.Size("num_attention_heads");
        return new TransformerSpec
        {
            Names = new TransformerNames(),            // Llama's names are the defaults
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = config.Size("hidden_size"),
            LayerCount = config.Size("num_hidden_layers"),
            HeadCount = heads,
            KeyValueHeadCount = config.Size("num_key_value_heads", heads),
            HeadSize = config.Size("hidden_size") / heads,
            IntermediateSize = config.Size("intermediate_size"),
            MaxPositions = config.Size("max_position_embeddings", 4096),
            Activation = Activation.Read(config, "hidden_act", "silu"),
            GatedFeedForward = true,
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_eps", 1e-5),
            Rotary = RotarySettings.Read(config, defaultPartial: 0.25),
            AttentionBias = config.Flag("use_qkv_bias", false),
            TiedHead = config.Flag("tie_word_embeddings", false),
        };
    }
    // end

    private const string Config = """
        { "model_type": "stablelm", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "use_qkv_bias": true }
        """;

    [Fact]
    public void An_architecture_of_ones_own()
    {
        Save();
        // snippet: stablelm-use
        var registry = new ModelRegistry();
        registry.Register("stablelm", StableLm);

        using var model = CausalLM.FromPretrained("models/my-stablelm", new LoadOptions { Registry = registry });
        using var peft = model.ApplyLora(rank: 8, targets: ["q_proj", "v_proj"]);   // targets are needed where Hugging Face PEFT has no defaults for the architecture
        // end
        using var tokens = tensor(new long[,] { { 1, 3, 4 } });
        using var logits = model.call(tokens);
        logits.shape.ShouldBe([1, 3, 64]);
        model.named_parameters().Select(each => each.name).ShouldContain("model.layers.1.post_attention_layernorm.bias");
        model.named_parameters().Select(each => each.name).ShouldContain("model.layers.0.self_attn.k_proj.bias");
        Should.Throw<UnsupportedModelException>(() => CausalLM.FromConfig(ModelConfig.Parse(Config).With("qk_layernorm", true), options: new LoadOptions { Registry = registry })).Message.ShouldContain("qk_layernorm");
    }

    private static void Save()
    {
        var registry = new ModelRegistry();
        registry.Register("stablelm", StableLm);
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Config), seed: 1, new LoadOptions { Registry = registry });
        model.SavePretrained("models/my-stablelm");
    }
}
