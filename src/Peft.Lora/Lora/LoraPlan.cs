namespace Peft.Lora;

/// <summary>The layers of a LoRA adapter: factors for each target, then what its options train beside them.</summary>
internal static class LoraPlan
{
    public static IEnumerable<AdapterLayer> Layers(LoraOptions options, IReadOnlyList<Target> targets, ModelTree model)
    {
        foreach (var target in targets.Union(ParameterTargets(options, model)))
        {
            var lora = new LoraLayer(target, options);
            yield return lora;
            if (options.UseDora) yield return new MagnitudeLayer(target, lora);
        }
        foreach (var layer in Tokens(options, model)) yield return layer;
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
        options.RequireMatrices(matches);
        return matches;
    }

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
