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
        var maxRank = (int)Math.Round(lora.Rank * options.Rho);
        var components = layers.Keys.Where(target => !target.IsLookup).ToDictionary(target => target, _ => new IncrementalPca(maxRank));
        try
        {
            LayerInputs.Collect(model, samples, forward, mask, (target, rows) =>
            {
                if (components.TryGetValue(target, out var pca) && !pca.HasConverged) pca.Add(rows, options.Tau);
            }, until: () => components.Values.All(pca => pca.HasConverged));
            if (components.FirstOrDefault(pair => pair.Value.Components is null || pair.Value.Components.size(0) < lora.Rank) is { Key: { } lacking })
                throw new AdapterOptionsException($"{lacking.Path} got fewer than {lora.Rank} distinct inputs from the samples: EVA needs at least as many as the rank. Give more samples.");
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
        var ranks = Distribute(components.ToDictionary(pair => pair.Key, pair => pair.Value.ExplainedVarianceRatios.to_type(ScalarType.Float32).cpu().data<float>().ToArray()), lora.Rank);
        foreach (var (target, rank) in ranks)
        {
            var a = components[target].Components.narrow(0, 0, rank);
            if (options.Whiten) a = a / components[target].Deviations.narrow(0, 0, rank).unsqueeze(1);
            layers[target].Refactor(a, zeros(target.Out, rank, device: target.Device), layers[target].Scaling);
        }
        // Alpha changes in proportion to the rank (its square root for rsLoRA), so that the scaling stays the same.
        var changed = ranks.Where(pair => pair.Value != lora.Rank).ToList();
        model.Find(name).Options = lora with
        {
            Initialization = LoraInitialization.Eva,
            RankPattern = changed.ToDictionary(pair => pair.Key.Path, pair => pair.Value),
            AlphaPattern = changed.ToDictionary(pair => pair.Key.Path, pair => layers[pair.Key].Scaling * (lora.UseRslora ? Math.Sqrt(pair.Value) : pair.Value)),
        };
    }

    /// <summary>Distributes rank·modules components by explained variance, at least one to each module.</summary>
    internal static Dictionary<Target, int> Distribute(IReadOnlyDictionary<Target, float[]> ratios, int rank)
    {
        var counts = ratios.Keys.ToDictionary(target => target, _ => 1);
        var rest = ratios.SelectMany(pair => pair.Value.Skip(1).Select(ratio => (pair.Key, ratio))).OrderByDescending(pair => pair.ratio);
        foreach (var (target, _) in rest.Take((rank - 1) * ratios.Count)) counts[target]++;
        return counts;
    }
}
