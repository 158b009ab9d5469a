using System.Runtime.CompilerServices;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Prefix.Tests;

/// <summary>Small random models, and a tokenizer of their vocabulary.</summary>
internal static class Tiny
{
    // Tensors of these sizes are shared out at a loss, the more so where other programs run on the same cores.
    [ModuleInitializer]
    internal static void UseOneThread() => set_num_threads(1);

    private const int Vocabulary = 64;

    private const string Sizes = """
        "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48, "initializer_range": 0.3,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0
        """;

    /// <summary>Decoders whose positions are rotated, learned and counted by the mask, and with a window that is shorter than the virtual tokens and the input.</summary>
    public static IReadOnlyDictionary<string, ModelConfig> Decoders { get; } = Configs(
        ("llama", """ "num_key_value_heads": 2, "max_position_embeddings": 128, "tie_word_embeddings": false """),
        ("mistral", """ "num_key_value_heads": 2, "max_position_embeddings": 128, "sliding_window": 5 """),
        ("gpt2", """ "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 24 """),
        ("opt", """ "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 24, "do_layer_norm_before": true, "init_std": 0.3 """));

    public static IReadOnlyDictionary<string, ModelConfig> Encoders { get; } = Configs(
        ("bert", """ "max_position_embeddings": 24, "type_vocab_size": 2, "num_labels": 3 """),
        ("roberta", """ "max_position_embeddings": 24, "type_vocab_size": 1, "num_labels": 3 """));

    public static ModelConfig T5 { get; } = ModelConfig.Parse("""
        {
          "model_type": "t5", "vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "relative_attention_num_buckets": 8,
          "decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0
        }
        """);

    public static CausalLM Llama() => CausalLM.FromConfig(Decoders["llama"], seed: 7);

    private static Dictionary<string, ModelConfig> Configs(params (string Type, string Fields)[] models)
        => models.ToDictionary(model => model.Type, model => ModelConfig.Parse($$"""{ "model_type": "{{model.Type}}", {{Sizes}}, {{model.Fields}} }"""));

    public static Tensor Ids(int rows, int length, int seed = 0)
    {
        var random = new Random(seed);
        return tensor(Enumerable.Range(0, rows * length).Select(_ => (long)random.Next(3, Vocabulary)).ToArray(), [rows, length]);
    }

    public static ITokenizer Tokenizer { get; } = new CharacterTokenizer(Vocabulary);
}
