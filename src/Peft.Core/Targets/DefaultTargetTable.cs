namespace Peft;

/// <summary>The default target modules of weight-update methods, per architecture (Hugging Face PEFT's table).</summary>
internal static class DefaultTargetTable
{
    public static IReadOnlyDictionary<string, string[]> Entries { get; } = new Dictionary<string, string[]>
    {
        ["t5"] = ["q", "v"], ["mt5"] = ["q", "v"], ["bart"] = ["q_proj", "v_proj"],
        ["gpt2"] = ["c_attn"], ["gpt_bigcode"] = ["c_attn"], ["gpt_neo"] = ["q_proj", "v_proj"], ["gptj"] = ["q_proj", "v_proj"],
        ["gpt_neox"] = ["query_key_value"], ["bloom"] = ["query_key_value"], ["falcon"] = ["query_key_value"],
        ["opt"] = ["q_proj", "v_proj"], ["blip-2"] = ["q", "v", "q_proj", "v_proj"],
        ["bert"] = ["query", "value"], ["roberta"] = ["query", "value"], ["xlm-roberta"] = ["query", "value"], ["electra"] = ["query", "value"],
        ["deberta"] = ["in_proj"], ["deberta-v2"] = ["query_proj", "value_proj"], ["layoutlm"] = ["query", "value"],
        ["distilbert"] = ["q_lin", "v_lin"],
        ["llama"] = ["q_proj", "v_proj"], ["mistral"] = ["q_proj", "v_proj"], ["mixtral"] = ["q_proj", "v_proj"],
        ["qwen2"] = ["q_proj", "v_proj"], ["qwen3"] = ["q_proj", "v_proj"], ["stablelm"] = ["q_proj", "v_proj"],
        ["gemma"] = ["q_proj", "v_proj"], ["gemma2"] = ["q_proj", "v_proj"], ["gemma3"] = ["q_proj", "v_proj"], ["gemma3_text"] = ["q_proj", "v_proj"],
        ["phi"] = ["q_proj", "v_proj", "fc1", "fc2"], ["phi3"] = ["qkv_proj"],
        ["llama4"] = ["q_proj", "v_proj"], ["nemotron_h"] = ["q_proj", "k_proj", "v_proj", "o_proj"], ["chatglm"] = ["query_key_value"],
        ["rwkv"] = ["key", "value", "receptance", "output"], ["rwkv7"] = ["r_proj", "k_proj", "v_proj", "o_proj", "key", "value"],
        ["btlm"] = ["c_proj", "c_attn"], ["codegen"] = ["qkv_proj"], ["mpt"] = ["Wqkv"],
    };
}
