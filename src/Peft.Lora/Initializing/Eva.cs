using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Settings of EVA.</summary>
public sealed record EvaOptions
{
    /// <summary>How far ranks may grow where inputs vary most: up to this many times the adapter's rank. 1 keeps all ranks.</summary>
    public double Rho { get; init; } = 2;

    /// <summary>Cosine above which a component counts as settled; when all are, no more samples are taken.</summary>
    public double Tau { get; init; } = 0.99;

    /// <summary>Whether components are divided by the deviation along them.</summary>
    public bool Whiten { get; init; }
}

/// <summary>Explained-variance adaptation (Paischer et al. 2024, arXiv:2410.07170).</summary>
public static class Eva
{
    /// <summary>
    /// Sets A of a LoRA adapter to the principal directions of each module's inputs, and gives more rank to modules whose inputs vary
    /// in more directions; the sum of ranks stays about the same, and no module is left without. B is zero, the model unchanged.
    /// </summary>
    /// <typeparam name="T">A sample.</typeparam>
    /// <param name="model">The model.</param>
    /// <param name="samples">Samples, taken until the directions settle.</param>
    /// <param name="forward">Runs the model on a sample.</param>
    /// <param name="options">Settings.</param>
    /// <param name="mask">Which positions of a sample count, <c>[batch, sequence]</c> with 0 for padding; all if null.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The adapter is no plain LoRA, or there were too few samples for its rank.</exception>
    public static void InitializeEva<T>(this PeftModel model, IEnumerable<T> samples, Action<T> forward, EvaOptions? options = null,
        Func<T, Tensor>? mask = null, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new EvaOptions();
        var layers = LoraCombining.LayersOf(model, name);
        var lora = LoraCombining.LoraOf(model, name);
        if (lora.UseDora) throw new AdapterOptionsException("EVA changes ranks after the fact, which DoRA's magnitudes do not allow: leave out UseDora.");
        if (lora.HasOwnShape) throw new AdapterOptionsException($"EVA changes ranks after the fact, which {lora.Variants[0]} does not allow: leave it out.");
        var most = (int)Math.Round(lora.Rank * options.Rho);
        var components = layers.Keys.Where(target => !target.IsLookup).ToDictionary(target => target, _ => new IncrementalPca(most));
        try
        {
            LayerInputs.Collect(model, samples, forward, mask, (target, rows) =>
            {
                if (components.TryGetValue(target, out var pca) && !pca.HasConverged) pca.Add(rows, options.Tau);
            }, until: () => components.Values.All(pca => pca.HasConverged));
            if (components.FirstOrDefault(pair => pair.Value.Components is null || pair.Value.Components.shape[0] < lora.Rank) is { Key: { } starved })
                throw new AdapterOptionsException($"The samples brought fewer than {lora.Rank} different inputs to {starved.Path}: EVA needs at least as many as the rank. Give more samples.");
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
        var ranks = Distribute(components.ToDictionary(pair => pair.Key, pair => pair.Value.Shares.to_type(ScalarType.Float32).cpu().data<float>().ToArray()), lora.Rank);
        foreach (var (target, rank) in ranks)
        {
            var a = components[target].Components.narrow(0, 0, rank);
            if (options.Whiten) a = a / components[target].Deviations.narrow(0, 0, rank).unsqueeze(1);
            layers[target].Refactor(a, zeros(target.Out, rank, device: target.Weight.device), layers[target].Scaling);
        }
        // Alpha moves with the rank (its root for rsLoRA), so that the scaling stays.
        var changed = ranks.Where(pair => pair.Value != lora.Rank).ToList();
        model.Find(name).Options = lora with
        {
            Initialization = LoraInitialization.Eva,
            RankPattern = changed.ToDictionary(pair => pair.Key.Path, pair => pair.Value),
            AlphaPattern = changed.ToDictionary(pair => pair.Key.Path, pair => layers[pair.Key].Scaling * (lora.UseRslora ? Math.Sqrt(pair.Value) : pair.Value)),
        };
    }

    /// <summary>Shares out rank·modules components by how much variance each explains, at least one to each module.</summary>
    internal static Dictionary<Target, int> Distribute(IReadOnlyDictionary<Target, float[]> shares, int rank)
    {
        var counts = shares.Keys.ToDictionary(target => target, _ => 1);
        var rest = shares.SelectMany(pair => pair.Value.Skip(1).Select(share => (pair.Key, share))).OrderByDescending(pair => pair.share);
        foreach (var (target, _) in rest.Take((rank - 1) * shares.Count)) counts[target]++;
        return counts;
    }
}
