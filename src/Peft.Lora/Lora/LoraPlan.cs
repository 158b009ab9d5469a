namespace Peft.Lora;

/// <summary>Builds the layers of a LoRA adapter: factors for each target, then the trained tokens.</summary>
internal static class LoraPlan
{
    public static IEnumerable<AdapterLayer> Layers(LoraOptions options, IReadOnlyList<Target> targets, ModelTree model)
    {
        var lookups = new List<LoraLayer>();
        var invocation = options.AloraInvocationTokens is { } tokens ? new Invocation(tokens) : null;
        if (invocation is not null && model.TaskType is not (null or "CAUSAL_LM"))
            throw new AdapterOptionsException($"AloraInvocationTokens are for causal language models, but this {model.Model.GetType().Name} is for {model.TaskType}.");
        var arrow = options.Arrow is null ? null : new ArrowExperts(options, model);
        // Embeddings come first, because tied heads use their factors.
        foreach (var target in targets.Union(ParameterTargets(options, model)).OrderBy(target => options.EnsureWeightTying && !target.IsLookup))
        {
            if (arrow is not null)
            {
                yield return arrow.At(target, options);
                continue;
            }
            if (target is { IsParameter: true, Storage.Shape.Count: 3 })
            {
                yield return new ExpertsLoraLayer(target, options);
                continue;
            }
            if (options.EnsureWeightTying && lookups.Find(other => other.Target.SharesWeightWith(target)) is { } owner)
            {
                yield return new TiedLoraLayer(target, owner);
                continue;
            }
            if (target.Groups > 1 && options.Variants.Count == 0)
            {
                yield return new GroupedLoraLayer(target, options);
                continue;
            }
            var lora = Factors(target, options, targets.Count, invocation);
            if (target.IsLookup) lookups.Add(lora);
            yield return lora;
            if (options.UseDora) yield return new DoraLayer(target, lora);
        }
        foreach (var layer in Tokens(options, model)) yield return layer;
    }

    private static LoraLayer Factors(Target target, LoraOptions options, int count, Invocation? invocation)
    {
        if (options.Variants is [var variant, ..] && !target.IsProduct)
            throw new AdapterOptionsException($"{variant} is defined for linear modules, but {target} is not linear: leave it out of TargetModules.");
        return options switch
        {
            { Kasa: { } kasa } => new KasaLayer(target, options, kasa),
            { BdLora: { } bdlora } => BdLoraLayer.For(target, options, bdlora),
            { Velora: { } velora } => new VeloraLayer(target, options, velora),
            { UseQalora: true } => new QaloraLayer(target, options),
            { Monteclora: { } monteclora } => new MontecloraLayer(target, options, monteclora, count),
            _ => invocation is null ? new LoraLayer(target, options) : new AloraLayer(target, options, invocation),
        };
    }

    private static IEnumerable<Target> ParameterTargets(LoraOptions options, ModelTree model)
    {
        if (options.TargetParameters is not { Count: > 0 } names) return [];
        if (options.Dropout > 0 || options.UseDora || options.UseLoraBias || options.Variants.Count > 0)
            throw new AdapterOptionsException($"TargetParameters cannot be combined with Dropout, UseDora, UseLoraBias and {string.Join(", ", options.Variants.DefaultIfEmpty("variants of LoRA"))}: these need the module's input.");
        var matches = model.Parameters(nameof(options.TargetParameters), names);
        return matches.FirstOrDefault(target => !target.IsMatrix) is { } vector ? throw new AdapterOptionsException($"{vector} is a vector, which LoRA cannot adapt: leave it out of {nameof(options.TargetParameters)}.") : matches;
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
