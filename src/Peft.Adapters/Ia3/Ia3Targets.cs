namespace Peft.Adapters;

/// <summary>Default targets of (IA)³ per architecture, and those of them whose inputs are scaled (Hugging Face PEFT's table).</summary>
internal static class Ia3Targets
{
    private static readonly Dictionary<string, (string[] Targets, string[] FeedForward)> Table = new()
    {
        ["t5"] = (["k", "v", "wo"], ["wo"]), ["mt5"] = (["k", "v", "wi_1"], []),
        ["gpt2"] = (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]), ["gpt_bigcode"] = (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
        ["bloom"] = (["query_key_value", "mlp.dense_4h_to_h"], ["mlp.dense_4h_to_h"]),
        ["gpt_neox"] = (["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"]), ["falcon"] = (["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"]),
        ["gpt_neo"] = (["q_proj", "v_proj", "c_proj"], ["c_proj"]), ["gptj"] = (["q_proj", "v_proj", "fc_out"], ["fc_out"]),
        ["opt"] = (["q_proj", "k_proj", "fc2"], ["fc2"]), ["bart"] = (["q_proj", "v_proj", "fc2"], ["fc2"]), ["phi"] = (["q_proj", "v_proj", "fc2"], ["fc2"]),
        ["bert"] = (["key", "value", "output.dense"], ["output.dense"]), ["roberta"] = (["key", "value", "output.dense"], ["output.dense"]),
        ["deberta"] = (["in_proj", "output.dense"], ["output.dense"]), ["deberta-v2"] = (["key_proj", "value_proj", "output.dense"], ["output.dense"]),
        ["llama"] = (["k_proj", "v_proj", "down_proj"], ["down_proj"]), ["mistral"] = (["k_proj", "v_proj", "down_proj"], ["down_proj"]), ["llama4"] = (["q_proj", "v_proj", "down_proj"], ["down_proj"]),
        ["mixtral"] = (["k_proj", "v_proj", "w2"], ["w2"]),
        ["gemma"] = (["q_proj", "v_proj", "down_proj"], ["down_proj"]), ["gemma2"] = (["q_proj", "v_proj", "down_proj"], ["down_proj"]),
        ["gemma3_text"] = (["q_proj", "v_proj", "down_proj"], ["down_proj"]),
        ["qwen2"] = (["q_proj", "v_proj", "down_proj"], ["down_proj"]), ["qwen3"] = (["q_proj", "v_proj", "down_proj"], ["down_proj"]),
    };

    /// <summary>The default targets alone.</summary>
    public static IReadOnlyDictionary<string, string[]> Names { get; } = Table.ToDictionary(pair => pair.Key, pair => pair.Value.Targets);

    public static (string[] Targets, string[] FeedForward)? For(string modelType) => Table.TryGetValue(modelType, out var found) ? found : null;
}
