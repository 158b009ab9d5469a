namespace Peft.Lora;

/// <summary>Builds the layers of a LoRA adapter: those of each target, then the trained tokens.</summary>
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
        var parameters = ParameterTargets(options, model).Except(targets).ToHashSet();
        foreach (var target in targets.Union(parameters).OrderBy(target => options.EnsureWeightTying && !target.IsLookup))
        {
            var here = parameters.Contains(target) ? AtParameter(options, target) : options;
            var layer = Variant(target, here) ?? new LoraLayer(target, here);
            yield return layer;
            if (layer is not LoraLayer lora) continue;
            if (target.IsLookup) lookups.Add(lora);
            if (options.UseDora) yield return new DoraLayer(target, lora);
        }
        foreach (var layer in Tokens(options, model)) yield return layer;

        // Another layer than plain LoRA's, where the target or the options need one.
        AdapterLayer? Variant(Target target, LoraOptions options) => options switch
        {
            _ when arrow is not null => arrow.At(target, options),
            _ when target is { IsParameter: true, Storage.Shape.Count: 3 } => new ExpertsLoraLayer(target, options),
            { EnsureWeightTying: true } when lookups.Find(other => other.Target.SharesWeightWith(target)) is { } owner => new TiedLoraLayer(target, owner),
            { Kasa: { } kasa } => new KasaLayer(target, options, kasa),
            { BdLora: { } bdlora } => BdLoraLayer.For(target, options, bdlora),
            { Velora: { } velora } => new VeloraLayer(target, options, velora),
            { UseQalora: true } => new QaloraLayer(target, options),
            { Monteclora: { } monteclora } => new MontecloraLayer(target, options, monteclora, targets.Count),
            _ when invocation is not null => new AloraLayer(target, options, invocation),
            _ => target.Groups > 1 ? new GroupedLoraLayer(target, options) : null,
        };
    }

    // As in Hugging Face PEFT, patterns of rank and alpha match the path of the parameter itself.
    private static LoraOptions AtParameter(LoraOptions options, Target target)
    {
        var path = string.Join('.', target.Path.Split('.').Where(part => part.Length > 0 && part != "base_layer").Append(target.WeightName));
        return options with { Rank = options.RankAt(path), Alpha = options.AlphaPattern.At(path, options.Alpha), RankPattern = new Dictionary<string, int>(), AlphaPattern = new Dictionary<string, double>() };
    }

    private static IEnumerable<Target> ParameterTargets(LoraOptions options, ModelTree model)
    {
        if (options.TargetParameters is not { Count: > 0 } names) return [];
        if (options.Dropout > 0 || options.UseDora || options.UseLoraBias || options.Variants.Count > 0)
            throw new AdapterOptionsException($"TargetParameters cannot be combined with Dropout, UseDora, UseLoraBias and {string.Join(", ", options.Variants.DefaultIfEmpty("variants of LoRA"))}: these need the module's input.");
        var matches = model.Parameters(nameof(options.TargetParameters), names);
        if (matches.FirstOrDefault(target => !target.IsMatrix) is { } vector) throw new AdapterOptionsException($"{vector} is a vector, which LoRA cannot adapt: leave it out of {nameof(options.TargetParameters)}.");
        // Hugging Face's file has the factors of the parameter as it is stored; those of the module are others.
        if (matches.FirstOrDefault(target => target.IsLookup || target.IsStoredTransposed || (target.Kind & ModuleKinds.Linear) == 0) is { } other)
            throw new AdapterOptionsException($"The weight of {other.Path} ({other.Module.GetType().Name}) is not stored as [out, in], so it cannot be adapted as a parameter: name the module in {nameof(options.TargetModules)} instead.");
        return matches;
    }

    private static IEnumerable<AdapterLayer> Tokens(LoraOptions options, ModelTree model)
    {
        const string name = "token_adapter.trainable_tokens_delta";
        var trained = options.TrainableTokenIndices?.Resolve(model).ToList() ?? [];
        // As in Hugging Face PEFT, a head that is tied to an embedding uses its rows, unless it is named with other tokens. A head alone has its own rows.
        var ties = trained.Where(each => each.Embedding.IsLookup).Select(each => (Owner: each.Embedding, Tied: model.TiedWith(each.Embedding).ToList()))
            .Where(tie => trained.Where(each => tie.Tied.Contains(each.Embedding)).All(each => each.Ids.SequenceEqual(trained.Find(own => own.Embedding == tie.Owner).Ids)))
            .ToDictionary(tie => tie.Owner, tie => tie.Tied);
        var heads = ties.Values.SelectMany(tied => tied).ToHashSet();
        if (trained.Select(each => each.Embedding).Concat(heads).FirstOrDefault(target => model.IsTrainedWhole(options, target)) is { } whole)
            throw new AdapterOptionsException($"{whole.Path} is already trained as a whole (ModulesToSave): remove it there, or from TrainableTokenIndices.");
        if (options is { EnsureWeightTying: true, InferenceMode: false } && trained.Find(each => !heads.Contains(each.Embedding) && !ties.ContainsKey(each.Embedding) && model.TiedWith(each.Embedding).Any()).Embedding is { } loose)
            throw new AdapterOptionsException($"EnsureWeightTying requires that {loose.Path} and the modules with the same weight train the same tokens: name only the embedding in TrainableTokenIndices.");

        foreach (var (embedding, ids) in trained.Where(each => !heads.Contains(each.Embedding)))
        {
            var owner = new TokensLayer(embedding, ids, name);
            yield return owner;
            foreach (var tied in ties.GetValueOrDefault(embedding) ?? []) yield return new TokensLayer(tied, owner, name, saved: false);
        }
    }
}
