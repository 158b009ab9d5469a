namespace Peft;

/// <summary>Explained-variance adaptation (Paischer et al. 2024, arXiv:2410.07170).</summary>
public static class Eva
{
    /// <summary>
    /// Initializes A of a LoRA adapter to the principal components of each module's inputs. Ranks are redistributed to modules whose components
    /// explain more variance. The total rank stays about the same, and every module keeps at least rank 1. B is zero, so the initialization does not change the model's outputs.
    /// </summary>
    /// <typeparam name="T">Type of a sample.</typeparam>
    /// <param name="model">The model.</param>
    /// <param name="samples">The samples. They are consumed until all components have converged.</param>
    /// <param name="forward">Runs the model on a sample.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="mask">Attention mask of a sample, <c>[batch, sequence]</c> with 0 for padding. If null, all positions count.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The adapter is not a plain LoRA adapter, or there were too few samples for its rank.</exception>
    public static void InitializeEva<T>(this PeftModel model, IEnumerable<T> samples, Action<T> forward, EvaOptions? options = null,
        Func<T, Tensor>? mask = null, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new EvaOptions();
        var layers = LoraCombining.LayersOf(model, name);
        var lora = LoraCombining.LoraOf(model, name);
        if (lora.UseDora) throw new AdapterOptionsException("EVA changes the ranks of an existing adapter, which DoRA's magnitudes do not support: leave out UseDora.");
        if (lora.HasOwnShape) throw new AdapterOptionsException($"EVA changes the ranks of an existing adapter, which {lora.Variants[0]} does not support: leave it out.");
        var components = layers.Keys.Where(target => !target.IsLookup).ToDictionary(target => target, target => new IncrementalPca((int)Math.Round(lora.RankAt(target.Path) * options.Rho)));
        try
        {
            LayerInputs.Collect(model, samples, forward, mask, (target, rows) =>
            {
                if (components.TryGetValue(target, out var pca) && !pca.HasConverged) pca.Add(rows, options.Tau);
            }, until: () => components.Values.All(pca => pca.HasConverged));
            if (components.FirstOrDefault(pair => pair.Value.Components is null || pair.Value.Components.size(0) < lora.RankAt(pair.Key.Path)) is { Key: { } lacking })
                throw new AdapterOptionsException($"{lacking.Path} got fewer than {lora.RankAt(lacking.Path)} distinct inputs from the samples: EVA needs at least as many as the rank. Give more samples.");
            Apply(model, name, layers, components, options, lora);
        }
        finally
        {
            foreach (var pca in components.Values) pca.Dispose();
        }
    }

    private static void Apply(PeftModel model, string name, Dictionary<Target, LoraLayer> layers, Dictionary<Target, IncrementalPca> components, EvaOptions options, LoraOptions lora)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var ranks = Distribute(components.ToDictionary(pair => pair.Key, pair => pair.Value.ExplainedVarianceRatios.to_type(ScalarType.Float32).cpu().data<float>().ToArray()),
            components.Keys.Sum(target => lora.RankAt(target.Path)));
        var (newRanks, newAlphas) = (new Dictionary<string, int>(), new Dictionary<string, double>());
        foreach (var (target, layer) in layers)
        {
            var (rank, before, alpha) = (ranks.GetValueOrDefault(target, layer.Rank), lora.RankAt(target.Path), lora.AlphaPattern.At(target.Path, lora.Alpha));
            if (options.AdjustScaling) alpha *= (double)rank / before;
            if (rank != lora.Rank) newRanks.Add(target.Path, rank);
            if (alpha != lora.Alpha) newAlphas.Add(target.Path, alpha);
            if (!components.TryGetValue(target, out var found)) continue;
            var a = found.Components.narrow(0, 0, rank);
            if (options.Whiten) a = a / found.SingularValues.narrow(0, 0, rank).sqrt().unsqueeze(1);
            layer.Refactor(a, zeros(target.Out, rank, device: target.Device), alpha / (lora.UseRslora ? Math.Sqrt(rank) : rank));
        }
        model.Find(name).Options = lora with { Initialization = LoraInitialization.Eva, RankPattern = newRanks, AlphaPattern = newAlphas };
    }

    /// <summary>Distributes a number of components by explained variance, at least one to each module.</summary>
    internal static Dictionary<Target, int> Distribute(IReadOnlyDictionary<Target, float[]> ratios, int total)
    {
        var counts = ratios.Keys.ToDictionary(target => target, _ => 1);
        var rest = ratios.SelectMany(pair => pair.Value.Skip(1).Select(ratio => (pair.Key, ratio))).OrderByDescending(pair => pair.ratio);
        foreach (var (target, _) in rest.Take(total - ratios.Count)) counts[target]++;
        return counts;
    }
}
