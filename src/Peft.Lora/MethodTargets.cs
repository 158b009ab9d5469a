namespace Peft.Lora;

/// <summary>Default targets of methods where they are not those of most methods, per architecture (Hugging Face PEFT's tables).</summary>
internal static class MethodTargets
{
    private static readonly string[] AllOfLlama = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "up_proj"], AllOfBart = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"];

    public static IReadOnlyDictionary<string, string[]> VbLora { get; } = new Dictionary<string, string[]>
    {
        ["t5"] = ["q", "k", "v", "o", "wi", "wo"], ["mt5"] = ["q", "k", "v", "o", "wi_0", "wi_1", "wo"], ["bart"] = AllOfBart, ["opt"] = AllOfBart,
        ["deberta-v2"] = ["query_proj", "key_proj", "value_proj", "dense"],
    };

    public static IReadOnlyDictionary<string, string[]> AdaLora { get; } = new Dictionary<string, string[]>(VbLora) { ["roberta"] = ["query", "key", "value", "dense"] };

    public static IReadOnlyDictionary<string, string[]> Osf { get; } = new Dictionary<string, string[]>
    {
        ["llama"] = AllOfLlama, ["llama4"] = AllOfLlama, ["mistral"] = AllOfLlama, ["mixtral"] = AllOfLlama, ["gemma"] = AllOfLlama, ["gemma2"] = AllOfLlama, ["gemma3_text"] = AllOfLlama,
        ["qwen2"] = AllOfLlama, ["qwen3"] = AllOfLlama, ["phi"] = AllOfLlama, ["opt"] = AllOfBart, ["gptj"] = ["q_proj", "k_proj", "v_proj", "out_proj", "fc_in", "fc_out"],
        ["gpt2"] = ["c_attn", "c_proj"], ["gpt_bigcode"] = ["c_attn", "c_proj"],
        ["bloom"] = ["query_key_value", "dense_4h_to_h"], ["gpt_neox"] = ["query_key_value", "dense_4h_to_h"], ["falcon"] = ["query_key_value", "dense_4h_to_h"],
    };

    /// <summary>Of methods with values in the frequency domain, and of C³A.</summary>
    public static IReadOnlyDictionary<string, string[]> Spectral { get; } = new Dictionary<string, string[]> { ["gpt2"] = ["mlp.c_proj"], ["gpt_bigcode"] = ["mlp.c_proj"] };

    /// <summary>Of methods with random or sparse matrices.</summary>
    public static IReadOnlyDictionary<string, string[]> Vera { get; } = new Dictionary<string, string[]> { ["phi"] = ["q_proj", "v_proj"] };
}
