using System.Collections.Concurrent;

namespace Peft.Models;

/// <summary>
/// The supported architectures, by the <c>model_type</c> of <c>config.json</c>. A new registry contains the built-in ones;
/// <see cref="Register"/> adds or replaces one.
/// </summary>
public sealed class ModelRegistry
{
    private readonly ConcurrentDictionary<string, Func<ModelConfig, TransformerSpec>> architectures = new(StringComparer.Ordinal)
    {
        ["llama"] = Architectures.Llama.Describe,
        ["mistral"] = Architectures.Mistral.Describe,
        ["qwen2"] = Architectures.Qwen.Describe2,
        ["qwen3"] = Architectures.Qwen.Describe3,
        ["gemma"] = Architectures.Gemma.Describe,
        ["gemma2"] = Architectures.Gemma.Describe2,
        ["gemma3_text"] = Architectures.Gemma.Describe3,
        ["phi3"] = Architectures.Phi3.Describe,
        ["gpt2"] = Architectures.Gpt2.Describe,
        ["gpt_neox"] = Architectures.GptNeoX.Describe,
        ["opt"] = Architectures.Opt.Describe,
        ["bert"] = Architectures.Bert.Describe,
        ["roberta"] = Architectures.Roberta.Describe,
        ["xlm-roberta"] = Architectures.Roberta.Describe,
        ["distilbert"] = Architectures.DistilBert.Describe,
        ["t5"] = Architectures.T5.Describe,
        ["albert"] = Architectures.Albert.Describe,
        ["arcee"] = Architectures.Arcee.Describe,
        ["bart"] = Architectures.Bart.Describe,
        ["bloom"] = Architectures.Bloom.Describe,
        ["camembert"] = Architectures.Roberta.Describe,
        ["cohere"] = Architectures.Cohere.Describe,
        ["cohere2"] = Architectures.Cohere.Describe2,
        ["deberta-v2"] = Architectures.Deberta.Describe2,
        ["electra"] = Architectures.Electra.Describe,
        ["ernie4_5"] = Architectures.Ernie.Describe,
        ["exaone4"] = Architectures.Exaone.Describe4,
        ["falcon"] = Architectures.Falcon.Describe,
        ["glm"] = Architectures.Glm.Describe,
        ["glm4"] = Architectures.Glm.Describe4,
        ["gpt_bigcode"] = Architectures.StarCoder.Describe,
        ["gpt_neo"] = Architectures.GptNeo.Describe,
        ["gptj"] = Architectures.GptJ.Describe,
        ["granite"] = Architectures.Granite.Describe,
        ["helium"] = Architectures.Helium.Describe,
        ["hunyuan_v1_dense"] = Architectures.Hunyuan.Describe,
        ["mbart"] = Architectures.Bart.DescribeMultilingual,
        ["ministral"] = Architectures.Mistral.Describe,
        ["modernbert"] = Architectures.ModernBert.Describe,
        ["mpnet"] = Architectures.MpNet.Describe,
        ["mpt"] = Architectures.Mpt.Describe,
        ["mt5"] = Architectures.T5.DescribeMultilingual,
        ["nemotron"] = Architectures.Nemotron.Describe,
        ["olmo2"] = Architectures.Olmo.Describe2,
        ["olmo3"] = Architectures.Olmo.Describe3,
        ["phi"] = Architectures.Phi.Describe,
        ["seed_oss"] = Architectures.SeedOss.Describe,
        ["smollm3"] = Architectures.SmolLm3.Describe,
        ["stablelm"] = Architectures.StableLm.Describe,
        ["starcoder2"] = Architectures.StarCoder.Describe2,
        ["umt5"] = Architectures.T5.DescribeUniversal,
    };

    private static readonly string[] LayerFields = ["num_hidden_layers", "num_layers", "num_decoder_layers", "n_layers", "n_layer"];

    /// <summary>The known values of <c>model_type</c>, sorted.</summary>
    public IReadOnlyList<string> ModelTypes => [.. architectures.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Adds or replaces an architecture: a function from its configuration to its description.</summary>
    public void Register(string modelType, Func<ModelConfig, TransformerSpec> describe)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelType);
        ArgumentNullException.ThrowIfNull(describe);
        architectures[modelType] = describe;
    }

    /// <summary>The description of the transformer in a configuration.</summary>
    /// <exception cref="UnsupportedModelException">The architecture, or a feature that the configuration requires, is not supported.</exception>
    public TransformerSpec Describe(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        // Checked first, because descriptions have an entry for each layer.
        foreach (var name in LayerFields.Where(config.Has)) config.AtMost(config.Limits.MaxLayers, name, nameof(ResourceLimits.MaxLayers));
        return architectures.TryGetValue(config.ModelType, out var describe)
            ? describe(config)
            : throw new UnsupportedModelException(
                $"{config.Source}: model_type '{config.ModelType}' is not supported. Supported are {string.Join(", ", ModelTypes)}; "
                + "add others with ModelRegistry.Register.");
    }
}
