namespace Peft;

/// <summary>
/// LayerNorm tuning (Zhao et al. 2023, arXiv:2312.11420): trains copies of the norms' weights and biases and nothing else. Mergeable.
/// </summary>
[MethodDescription("LayerNorm tuning", "w′ and b′ of the norms", "Zhao et al. 2023, arXiv:2312.11420")]
[LearningRate(1e-3, SmallModel = 1e-1)]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
[SupportedModules(ModuleKinds.All)]
public sealed record LayerNormTuningOptions() : TargetedOptions("LN_TUNING")
{
    private static readonly Dictionary<string, string[]> Usual = new()
    {
        ["llama"] = ["input_layernorm", "post_attention_layernorm", "norm"], ["mistral"] = ["input_layernorm", "post_attention_layernorm", "norm"],
        ["gemma"] = ["input_layernorm", "post_attention_layernorm", "norm"],
        ["gemma2"] = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm", "norm"],
        ["gemma3_text"] = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm", "norm"],
        ["qwen2"] = ["post_attention_layernorm"], ["qwen3"] = ["post_attention_layernorm"],
        ["gpt2"] = ["ln_1", "ln_2", "ln_f"], ["gptj"] = ["ln_1", "ln_f"], ["phi"] = ["input_layernorm", "final_layernorm"],
        ["bloom"] = ["input_layernorm", "post_attention_layernorm", "ln_f"], ["falcon"] = ["input_layernorm", "post_attention_layernorm", "ln_f"],
        ["t5"] = ["layer_norm", "final_layer_norm"], ["mt5"] = ["layer_norm", "final_layer_norm"],
        ["bart"] = ["self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"],
    };

    // For architectures that are not in Hugging Face PEFT's table, a norm is any target without a weight matrix.
    protected override ModuleSelector? DefaultTargets(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.ModelType is { } type && Usual.TryGetValue(type, out var usual)) return usual;
        string[] norms = [.. model.Targets.Where(target => !target.IsMatrix).Select(target => target.Path)];
        return norms.Length == 0 ? null : ModuleSelector.Create(norms);
    }

    protected override AdapterLayer CreateLayer(Target target) => new FullLayer(target, "ln_tuning_layers.");
}
