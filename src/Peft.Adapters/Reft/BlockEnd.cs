namespace Peft.Adapters;

/// <summary>
/// The end of a transformer layer: a module whose output, with what the layer adds to it, is the layer's output.
/// </summary>
/// <param name="Block">Path of the layer, <c>model.layers.0</c>.</param>
/// <param name="Target">The module.</param>
/// <param name="Inputs">Modules whose inputs the layer adds to the output.</param>
/// <param name="Outputs">Modules whose outputs the layer adds to the output.</param>
internal sealed record BlockEnd(string Block, Target Target, string[] Inputs, string[] Outputs)
{
    /// <summary>The end of a layer in an architecture, as paths relative to the layer.</summary>
    private sealed record Form(string Output, string[] Inputs, string[] Outputs);

    private static readonly Form Llama = Added("mlp.down_proj", to: "post_attention_layernorm");
    private static readonly Form Gemma2 = Added("post_feedforward_layernorm", to: "pre_feedforward_layernorm");
    private static readonly Form Bert = Last("output.LayerNorm");
    private static readonly Form[] T5 = [Added("layer.1.DenseReluDense.wo", to: "layer.1.layer_norm"), Added("layer.2.DenseReluDense.wo", to: "layer.2.layer_norm")];

    private static readonly Dictionary<string, Form[]> Table = new()
    {
        ["llama"] = [Llama], ["mistral"] = [Llama], ["mixtral"] = [Llama], ["qwen2"] = [Llama], ["qwen3"] = [Llama], ["phi3"] = [Llama], ["gemma"] = [Llama],
        ["gemma2"] = [Gemma2], ["gemma3"] = [Gemma2], ["gemma3_text"] = [Gemma2],
        ["gpt2"] = [Added("mlp.c_proj", to: "ln_2")],
        // With and without parallel residuals, a layer's output is its input plus the outputs of its two halves.
        ["gpt_neox"] = [new("mlp.dense_4h_to_h", ["input_layernorm"], ["attention.dense"])],
        ["opt"] = [Added("fc2", to: "final_layer_norm")], ["mbart"] = [Added("fc2", to: "final_layer_norm")],
        ["bert"] = [Bert], ["roberta"] = [Bert], ["xlm-roberta"] = [Bert], ["electra"] = [Bert],
        ["distilbert"] = [Last("output_layer_norm")], ["bart"] = [Last("final_layer_norm")],
        ["t5"] = T5, ["mt5"] = T5,
    };

    /// <summary>The ends of all layers of a model; none if the architecture is unknown.</summary>
    public static IEnumerable<BlockEnd> In(ModelTree model)
    {
        if (model.ModelType is not { } type || Table.GetValueOrDefault(type) is not { } forms) yield break;
        foreach (var target in model.Targets)
            if (Start(target) is { } block && forms.FirstOrDefault(form => target.Path == block + form.Output) is { } form)
                yield return new BlockEnd(block[..^1], target, [.. form.Inputs.Select(path => block + path)], [.. form.Outputs.Select(path => block + path)]);
    }

    /// <summary>The layers that change the end of this one: taps on what is added to the output, and the change.</summary>
    public IEnumerable<AdapterLayer> Layers(ReftOptions options, ModelTree model)
    {
        ResidualTap[] taps = [.. Inputs.Select(path => new ResidualTap(At(path))), .. Outputs.Select(path => new ResidualTap(At(path), ofOutput: true))];
        return [.. taps, new ReftLayer(Target, options, taps)];

        Target At(string path) => model.Targets.FirstOrDefault(each => each.Path == path) ?? throw model.NotFound(nameof(options.TargetModules), [path]);
    }

    // The path up to the first number: model.layers.0.
    private static string? Start(Target target)
    {
        if (target.Layer is not { } layer) return null;
        var number = $".{layer}.";
        var at = $".{target.Path}".IndexOf(number, StringComparison.Ordinal);
        return at < 0 ? null : target.Path[..(at + number.Length - 1)];
    }

    private static Form Added(string output, string to) => new(output, [to], []);

    private static Form Last(string output) => new(output, [], []);
}
