namespace Peft.Adapters;

/// <summary>The positions of each architecture.</summary>
internal static class BottleneckPositions
{
    private static readonly BottleneckPosition[] Llama = PreNorm("self_attn.o_proj", "input_layernorm", "mlp.down_proj", "post_attention_layernorm");

    private static readonly BottleneckPosition[] Gemma2 =
    [
        new(BottleneckPlace.Attention, "self_attn.o_proj", "input_layernorm", "post_attention_layernorm", "attention_adapters.adapters"),
        new(BottleneckPlace.FeedForward, "mlp.down_proj", "pre_feedforward_layernorm", "post_feedforward_layernorm", "output_adapters.adapters"),
    ];

    private static readonly BottleneckPosition[] Bert =
    [
        new(BottleneckPlace.Attention, "attention.output.dense", "attention.self.query", "attention.output.LayerNorm", "attention.output.adapters"),
        new(BottleneckPlace.FeedForward, "output.dense", "intermediate.dense", "output.LayerNorm", "output.adapters"),
    ];

    private static readonly BottleneckPosition[] T5 =
    [
        new(BottleneckPlace.Attention, "SelfAttention.o", "layer_norm", null, "adapters"),
        new(BottleneckPlace.CrossAttention, "EncDecAttention.o", "layer_norm", null, "adapters"),
        new(BottleneckPlace.FeedForward, "DenseReluDense.wo", "layer_norm", null, "adapters"),
    ];

    private static readonly BottleneckPosition[] Bart =
    [
        new(BottleneckPlace.Attention, "self_attn.out_proj", "self_attn.q_proj", "self_attn_layer_norm", "attention_adapters.adapters"),
        new(BottleneckPlace.CrossAttention, "encoder_attn.out_proj", "encoder_attn.q_proj", "encoder_attn_layer_norm", "cross_attention_adapters.adapters"),
        new(BottleneckPlace.FeedForward, "fc2", "fc1", "final_layer_norm", "output_adapters.adapters"),
    ];

    private static readonly Dictionary<string, BottleneckPosition[]> Table = new()
    {
        ["llama"] = Llama, ["mistral"] = Llama, ["mixtral"] = Llama, ["qwen2"] = Llama, ["qwen3"] = Llama, ["phi3"] = Llama, ["gemma"] = Llama,
        ["gemma2"] = Gemma2, ["gemma3"] = Gemma2, ["gemma3_text"] = Gemma2,
        ["gpt2"] = PreNorm("attn.c_proj", "ln_1", "mlp.c_proj", "ln_2"),
        ["gpt_neox"] = PreNorm("attention.dense", "input_layernorm", "mlp.dense_4h_to_h", "post_attention_layernorm"),
        ["opt"] = PreNorm("self_attn.out_proj", "self_attn_layer_norm", "fc2", "final_layer_norm"),
        ["bert"] = Bert, ["roberta"] = Bert, ["xlm-roberta"] = Bert, ["electra"] = Bert,
        ["distilbert"] =
        [
            new(BottleneckPlace.Attention, "attention.out_lin", "attention.q_lin", "sa_layer_norm", "attention_adapters.adapters"),
            new(BottleneckPlace.FeedForward, "ffn.lin2", "ffn.lin1", "output_layer_norm", "output_adapters.adapters"),
        ],
        ["t5"] = T5, ["mt5"] = T5, ["bart"] = Bart, ["mbart"] = Bart,
    };

    /// <summary>All positions in a model: the adapted module, its position, and the prefix of its path before the position's names.</summary>
    public static IEnumerable<(Target Target, BottleneckPosition Position, string Layer)> In(ModelTree model)
    {
        if (model.ModelType is not { } type || Table.GetValueOrDefault(type) is not { } positions) yield break;
        foreach (var target in model.Targets)
            // BERT's attention.output.dense also ends with output.dense: the longest match wins.
            if (positions.Where(position => ModuleSelector.Means(position.Output, target.Path)).MaxBy(position => position.Output.Length) is { } found && target.Layer is not null)
                yield return (target, found, target.Path[..^found.Output.Length]);
    }

    private static BottleneckPosition[] PreNorm(string attention, string attentionNorm, string feedForward, string feedForwardNorm) =>
    [
        new(BottleneckPlace.Attention, attention, attentionNorm, null, "attention_adapters.adapters"),
        new(BottleneckPlace.FeedForward, feedForward, feedForwardNorm, null, "output_adapters.adapters"),
    ];
}
