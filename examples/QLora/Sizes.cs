using Examples;
using Peft.Models;

namespace QLora;

/// <summary>What well-known sizes of Llama need.</summary>
internal static class Sizes
{
    private const int Tokens = 1024;

    // Numbers of the models' configurations.
    private static readonly (string Name, ModelConfig Config)[] Known =
    [
        ("1B (Llama 3.2)", Llama(2048, 16, 32, 8, 8192, 128256, tied: true)),
        ("3B (Llama 3.2)", Llama(3072, 28, 24, 8, 8192, 128256, tied: true)),
        ("7B (Llama 2)", Llama(4096, 32, 32, 32, 11008, 32000, tied: false)),
        ("13B (Llama 2)", Llama(5120, 40, 40, 40, 13824, 32000, tied: false)),
        ("70B (Llama 2)", Llama(8192, 80, 64, 8, 28672, 32000, tied: false)),
    ];

    /// <summary>Weights in each precision; then what is trained, and activations.</summary>
    public static ResultsTable Table() => new(["model", .. Precision.All.Select(each => each.Name), "LoRA r16, AdamW", "activations"], Known.Select(model =>
    {
        TrainingMemory[] needs = [.. Precision.All.Select(precision => new Candidate(model.Name, model.Config).Needs(precision, Tokens))];
        return (string[])[model.Name, .. needs.Select(each => ProcessMemory.Show(each.Weights)), ProcessMemory.Show(needs[0].Adapter + needs[0].Optimizer), ProcessMemory.Show(needs[0].Activations)];
    }));

    private static ModelConfig Llama(int hidden, int layers, int heads, int keyValueHeads, int intermediate, int vocabulary, bool tied) => ModelConfig.Parse($$"""
        {
          "model_type": "llama", "hidden_size": {{hidden}}, "num_hidden_layers": {{layers}}, "num_attention_heads": {{heads}}, "num_key_value_heads": {{keyValueHeads}}, "intermediate_size": {{intermediate}},
          "vocab_size": {{vocabulary}}, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "tie_word_embeddings": {{(tied ? "true" : "false")}}
        }
        """);
}
