using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>The layers of a LoRA adapter: factors for each target, then what its options train beside them.</summary>
internal static class LoraPlan
{
    public static IReadOnlyList<AdapterLayer> Layers(LoraOptions options, IReadOnlyList<Target> targets, ModelTree model)
    {
        using var _ = no_grad();
        IReadOnlyList<Target> all = [.. targets.Union(ParameterTargets(options, model))];
        if (all.FirstOrDefault(target => !target.IsMatrix) is { } vector)
            throw new AdapterOptionsException($"{vector} has no weight matrix: LoRA cannot adapt it. Exclude it from TargetModules, or train it whole by ModulesToSave.");
        var layers = new List<AdapterLayer>();
        layers.AddRange(Biases(options, all, model));
        foreach (var target in all)
        {
            using var scope = NewDisposeScope();
            var lora = new LoraLayer(target, options);
            layers.Add(lora);
            if (options.UseDora) layers.Add(new MagnitudeLayer(target, lora));
        }
        layers.AddRange(Tokens(options, model));
        return layers;
    }

    // A parameter is adapted through the module that owns it.
    private static IEnumerable<Target> ParameterTargets(LoraOptions options, ModelTree model)
    {
        if (options.TargetParameters is not { Count: > 0 } names) return [];
        var matches = model.Targets.Where(target => names.Any(name => ModuleSelector.Means(name, $"{target.Path}.weight"))).ToList();
        var idle = names.Where(name => !matches.Any(target => ModuleSelector.Means(name, $"{target.Path}.weight"))).ToList();
        if (idle.Count > 0) throw model.NotFound(nameof(options.TargetParameters), idle);
        if (options.Dropout > 0 || options.UseDora || options.UseLoraBias)
            throw new AdapterOptionsException("TargetParameters goes without Dropout, UseDora and UseLoraBias: these need the module's input.");
        return matches;
    }

    private static IEnumerable<AdapterLayer> Biases(LoraOptions options, IReadOnlyList<Target> targets, ModelTree model) => options.Bias switch
    {
        "none" => [],
        "all" => model.Targets.Where(target => target.Bias is not null && !model.IsSaved(options, target)).Select(target => new BiasLayer(target, targets.Contains(target) ? "base_layer.bias" : "bias")),
        _ => targets.Where(target => target.Bias is not null).Select(target => new BiasLayer(target, "base_layer.bias")),
    };

    private static IEnumerable<AdapterLayer> Tokens(LoraOptions options, ModelTree model)
    {
        foreach (var (embedding, ids) in options.TrainableTokenIndices?.Resolve(model) ?? [])
        {
            const string name = "token_adapter.trainable_tokens_delta";
            var owner = new TokensLayer(embedding, ids, name);
            yield return owner;
            foreach (var tied in model.TiedWith(embedding)) yield return new TokensLayer(tied, owner, name, saved: false);
        }
    }
}
