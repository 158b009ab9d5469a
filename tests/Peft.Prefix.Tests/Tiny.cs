using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Prefix.Tests;

/// <summary>Small random models, and a tokenizer that gives each letter a number.</summary>
internal static class Tiny
{
    public static CausalLM Llama() => CausalLM.FromConfig(ModelConfig.Parse("""
        {
          "model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
          "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "initializer_range": 0.3,
          "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0
        }
        """), seed: 7);

    public static Tensor Ids(int rows, int length, int seed = 0)
    {
        var random = new Random(seed);
        return tensor(Enumerable.Range(0, rows * length).Select(_ => (long)random.Next(3, 64)).ToArray(), [rows, length]);
    }

    public static ITokenizer Tokenizer { get; } = new Letters();

    private sealed class Letters : ITokenizer
    {
        public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true) => [.. (addSpecialTokens ? new[] { 1 } : []).Concat(text.Select(letter => 3 + letter % 61))];
        public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => string.Concat(ids.Select(id => (char)id));
        public int? BeginOfSequenceId => 1;
        public int? EndOfSequenceId => 2;
        public int? PadId => 0;
    }
}
