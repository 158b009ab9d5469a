using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

/// <summary>The base of these tests: a Llama of two layers.</summary>
internal static class TinyModel
{
    public const int Vocabulary = 40, EndOfSequence = 2;

    private static readonly ModelConfig Config = ModelConfig.Parse($$"""
        {
          "model_type": "llama", "vocab_size": {{Vocabulary}}, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
          "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": {{EndOfSequence}}, "bos_token_id": 1, "initializer_range": 0.2
        }
        """);

    public static CausalLM Create(int seed = 3, int vocabulary = Vocabulary) => CausalLM.FromConfig(Config.With("vocab_size", vocabulary), seed);

    /// <summary>A batch of pairs of texts of 8 tokens, of which the last 4 are completions.</summary>
    public static Batch Pairs(int pairs = 4)
    {
        manual_seed(17);
        var mask = zeros([2 * pairs, 8], ScalarType.Int64);
        mask.narrow(1, 4, 4).fill_(1);
        return new() { InputIds = randint(3, Vocabulary, [2 * pairs, 8]), Extra = new Dictionary<string, Tensor> { ["completion_mask"] = mask }, Weight = pairs };
    }
}
