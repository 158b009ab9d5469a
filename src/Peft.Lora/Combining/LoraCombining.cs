namespace Peft;

/// <summary>Combines LoRA adapters of a model into new ones, or reduces their rank.</summary>
public static class LoraCombining
{
    /// <summary>Adds an adapter that combines others. It does not become active.</summary>
    /// <param name="model">The model.</param>
    /// <param name="name">Name of the new adapter.</param>
    /// <param name="parts">Names of the adapters with their weights. Weights may be negative.</param>
    /// <param name="options">Kind and settings.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterOptionsException">The settings are invalid, an adapter is not a LoRA adapter or has more than LoRA factors (DoRA, biases, trained tokens, fully trained modules), or the kind requires equal ranks and they differ.</exception>
    public static PeftModel Combine(this PeftModel model, string name, IReadOnlyList<(string Name, double Weight)> parts, CombinationOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (parts is [var (_, weight)]) return Weighted(model, name, parts, weight, options);
        return Build(model, name, parts, options, (here, target) => Factors(here, options, options.Rank ?? here.Max(each => each.Layer.Rank), target));
    }

    // One adapter times its weight, as in Hugging Face PEFT: kinds that work on updates would apply its scaling twice.
    private static PeftModel Weighted(PeftModel model, string name, IReadOnlyList<(string Name, double Weight)> parts, double weight, CombinationOptions options)
    {
        if (options.Rank is { } rank) return Build(model, name, parts, options, (here, _) => Decompose(here[0].Layer.Delta().mul(Constant(weight)), rank, options.Clamp));
        var same = new CombinationOptions { Kind = Combination.Cat };
        return Build(model, name, parts, same, (here, target) => Factors(here, same, here[0].Layer.Rank, target));
    }

    private static PeftModel Build(PeftModel model, string name, IReadOnlyList<(string Name, double Weight)> parts, CombinationOptions options,
        Func<List<(LoraLayer Layer, double Weight)>, Target, (Tensor A, Tensor B)> factors)
    {
        options.Validate();
        if (parts.Count == 0) throw new AdapterOptionsException("Name at least one adapter to combine.");
        if (parts.FirstOrDefault(part => !double.IsFinite(part.Weight)) is { Name: not null } endless) throw new AdapterOptionsException($"The weight of adapter '{endless.Name}' is {endless.Weight}, but must be finite.");
        var sources = parts.Select(part => (Options: LoraOf(model, part.Name), Layers: LayersOf(model, part.Name), part.Weight)).ToList();
        if (parts.SelectMany(part => model.Find(part.Name).Layers).FirstOrDefault(layer => !HasPlainFactors(layer)) is { } odd)
            throw new AdapterOptionsException($"The LoRA of {odd.Target} is not a single product B·A, so its adapter cannot be combined with others. Activate the adapters together instead.");
        foreach (var (part, _) in parts)
            if (model.Find(part).Layers.FirstOrDefault(layer => layer is not (LoraLayer { HasBias: false } or TiedLoraLayer)) is { } more)
                throw new AdapterOptionsException($"Adapter '{part}' has more than LoRA factors at {more.Target} ({more.GetType().Name}), which a combination would lose: combine adapters without DoRA, biases, trained tokens and fully trained modules, or activate the adapters together instead.");
        if (sources.Any(source => !(source.Options.AloraInvocationTokens ?? []).SequenceEqual(sources[0].Options.AloraInvocationTokens ?? [])))
            throw new AdapterOptionsException($"The adapters {string.Join(", ", parts.Select(part => part.Name))} have different AloraInvocationTokens, so they cannot be combined.");
        var rank = Rank(sources.ConvertAll(source => source.Options.Rank), options);

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var first = sources[0].Options.Plain;
        string[] targets = [.. sources.SelectMany(source => source.Layers.Keys).Select(target => target.Path).Distinct()];
        model.Add(name, first with
        {
            Rank = rank,
            Alpha = rank,
            UseRslora = false,
            RankPattern = new Dictionary<string, int>(),
            AlphaPattern = new Dictionary<string, double>(),
            ExcludeModules = null,
            LayersToTransform = null,
            LayersPattern = null,
            TargetParameters = null,
            TargetModules = Union(sources.ConvertAll(source => source.Options), targets),
        }, made => Fill(made, sources, rank, factors));
        return model;
    }

    private static void Fill(Adapter made, List<(LoraOptions Options, Dictionary<Target, LoraLayer> Layers, double Weight)> sources, int rank,
        Func<List<(LoraLayer Layer, double Weight)>, Target, (Tensor A, Tensor B)> factors)
    {
        var ranks = new Dictionary<string, int>();
        foreach (var layer in made.Layers.OfType<LoraLayer>())
        {
            var target = layer.Target;
            var here = sources.Where(source => source.Layers.ContainsKey(target)).Select(source => (source.Layers[target], source.Weight)).ToList();
            if (here.Count == 0) continue;
            var (a, b) = factors(here, target);
            layer.Refactor(a, b, scaling: 1);
            if (layer.Rank != rank) ranks.Add(target.Path, layer.Rank);
        }
        made.Options = (LoraOptions)made.Options with { RankPattern = ranks, AlphaPattern = ranks.ToDictionary(pair => pair.Key, pair => (double)pair.Value) };
    }

    /// <summary>Adds a copy of an adapter with a lower rank, truncated to the largest singular values of its updates.</summary>
    /// <param name="model">The model.</param>
    /// <param name="source">Name of the adapter to copy.</param>
    /// <param name="name">Name of the new adapter.</param>
    /// <param name="rank">Rank of the new adapter.</param>
    public static PeftModel ReduceRank(this PeftModel model, string source, string name, int rank)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(source);
        return Build(model, name, [(source, 1)], new CombinationOptions { Kind = Combination.Svd, Rank = rank }, (parts, target) => Decompose(parts[0].Layer.Delta(), rank));
    }

    private static (Tensor A, Tensor B) Factors(List<(LoraLayer Layer, double Weight)> parts, CombinationOptions options, int rank, Target target)
    {
        if (options.Kind == Combination.Cat)
            return (cat(parts.Select(part => part.Layer.PlainA.mul(Constant(part.Weight * part.Layer.Scaling))).ToList(), 0), cat(parts.Select(part => part.Layer.PlainB).ToList(), 1));
        // Hugging Face PEFT weights whole updates, which already include the scaling, by weight times scaling. This reproduces its results.
        if (options.OnUpdates)
            return Decompose(TensorMixing.Mix(parts.Select(part => part.Layer.Delta()), [.. parts.Select(part => part.Weight * part.Layer.Scaling)], options), rank, options.Clamp);
        if (parts.Select(part => part.Layer.Rank).Distinct().Count() > 1)
            throw new AdapterOptionsException($"Kind {options.Kind} needs equal ranks, but at {target.Path} they are {string.Join(", ", parts.Select(part => part.Layer.Rank))}. Use Cat or an Svd kind.");
        // Each factor is multiplied by the square root of the weight's magnitude; A also takes the sign.
        double[] roots = [.. parts.Select(part => Math.Sqrt(Math.Abs(part.Weight * part.Layer.Scaling)))];
        double[] signed = [.. parts.Zip(roots, (part, root) => Math.Sign(part.Weight * part.Layer.Scaling) * root)];
        return (TensorMixing.Mix(parts.Select(part => part.Layer.PlainA), signed, options), TensorMixing.Mix(parts.Select(part => part.Layer.PlainB), roots, options));
    }

    /// <summary>Factors of the best rank-r approximation of an update <c>[out, in]</c>.</summary>
    internal static (Tensor A, Tensor B) Decompose(Tensor delta, int rank, double? clamp = null)
    {
        var (u, s, vt) = linalg.svd(delta, fullMatrices: false);
        var kept = (int)Math.Min(rank, s.numel());
        var (a, b) = (vt.narrow(0, 0, kept), u.narrow(1, 0, kept).mul(s.narrow(0, 0, kept)));
        if (clamp is not { } quantile) return (a, b);
        var limit = cat([a.reshape(-1), b.reshape(-1)]).quantile(tensor(quantile, a.dtype, a.device)).item<float>();
        return (a.clamp(Constant(-limit), Constant(limit)), b.clamp(Constant(-limit), Constant(limit)));
    }

    private static int Rank(List<int> ranks, CombinationOptions options) => options.Kind == Combination.Cat ? ranks.Sum() : options.Rank ?? ranks.Max();

    private static ModuleSelector Union(List<LoraOptions> options, string[] targets)
        => options.All(each => each is { TargetModules.Pattern: null, ExcludeModules: null, LayersToTransform: null })
            ? options.SelectMany(each => each.TargetModules!).Distinct().ToArray()
            : targets;

    internal static LoraOptions LoraOf(PeftModel model, string name) => model.Find(name).Options switch
    {
        LoraOptions { Arrow: null } lora => lora,
        LoraOptions => throw new AdapterOptionsException($"Adapter '{name}' is an Arrow router, which has no factors: name one of its experts."),
        var other => throw new AdapterOptionsException($"Adapter '{name}' is of method {other.PeftType}, but this operation needs a LoRA adapter."),
    };

    /// <summary>False if a layer is a LoRA that is not a single pair of factors A and B.</summary>
    internal static bool HasPlainFactors(AdapterLayer layer) => layer is not (GroupedLoraLayer or ExpertsLoraLayer);

    internal static Dictionary<Target, LoraLayer> LayersOf(PeftModel model, string name)
        => model.Find(name).Layers.OfType<LoraLayer>().ToDictionary(layer => layer.Target);
}
