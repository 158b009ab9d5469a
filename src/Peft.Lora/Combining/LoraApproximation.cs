using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Converts adapters of any method to LoRA.</summary>
public static class LoraApproximation
{
    // Singular values below this part of the largest are rounding errors of float32.
    private const double Rounding = 1e-6;

    /// <summary>
    /// Adds a LoRA adapter whose updates are the best low-rank approximations of those of another adapter, of any method that can be merged. It does not become active.
    /// Modules that are fully trained with an adapter (<c>modules_to_save</c>) and norms are copied. An update of rank r, such as that of trained tokens, is exact from rank r on; rotations (OFT) and DoRA are of full rank.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="source">Name of the adapter to convert; it does not change.</param>
    /// <param name="name">Name of the new adapter.</param>
    /// <param name="rank">Largest rank; null for no limit.</param>
    /// <param name="energy">Part of the sum of the squared singular values of each update that its approximation has at least, if the rank allows it: above 0 and at most 1. 1 keeps all of them.</param>
    /// <returns>Each converted module, with its rank and what the approximation loses.</returns>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="AdapterOptionsException">A LoRA cannot have the updates: the adapter has virtual tokens, cannot be merged, repeats layers, or changes biases or parameters of modules that are no targets. The model is unchanged.</exception>
    /// <exception cref="PeftException">Restarts in training have changed the base weights.</exception>
    public static IReadOnlyList<ConvertedModule> ConvertToLora(this PeftModel model, string source, string name, int? rank = null, double energy = 1)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (rank is < 1) throw new ArgumentOutOfRangeException(nameof(rank), rank, "The rank must be at least 1, or null.");
        if (!(energy is > 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(energy), energy, "The energy must be above 0 and at most 1.");
        var adapter = model.Find(source);
        if (model.HasRestarted) throw new PeftException($"Restarts in training have merged updates into the base weights, so adapter '{source}' alone lacks a part of the training: call MergeAndUnload, then save the model with SavePretrained.");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (factors, whole) = Decompose(model, adapter, rank, energy);
        var ranks = factors.ToDictionary(pair => pair.Key.Path, pair => (int)pair.Value.A.size(0));
        var usual = ranks.Values.GroupBy(each => each).OrderByDescending(group => group.Count()).ThenByDescending(group => group.Key).First().Key;
        var others = ranks.Where(pair => pair.Value != usual).ToDictionary();
        model.Add(name, new LoraOptions
        {
            Rank = usual,
            Alpha = usual,
            RankPattern = others,
            AlphaPattern = others.ToDictionary(pair => pair.Key, pair => (double)pair.Value),
            TargetModules = ranks.Keys.ToArray(),
            ModulesToSave = whole.Count > 0 ? [.. whole.Select(layer => layer.Target.Path)] : null,
            TaskType = adapter.Options.TaskType,
            BaseModelNameOrPath = adapter.Options.BaseModelNameOrPath,
            Revision = adapter.Options.Revision,
        }, made => Fill(made, factors, whole));
        return [.. factors.Select(pair => new ConvertedModule(pair.Key.Path, ranks[pair.Key.Path], pair.Value.Error))];
    }

    private static (Dictionary<Target, (Tensor A, Tensor B, double Error)> Factors, List<FullLayer> Whole) Decompose(PeftModel model, Adapter adapter, int? rank, double energy)
    {
        AdapterOptionsException Refuse(string why) => new($"Adapter '{adapter.Name}' ({adapter.Options.PeftType}) cannot be converted to LoRA: {why}. {PlainLora.Merge}");

        if (adapter.Prompt is not null) throw Refuse("it has virtual tokens");
        if (adapter.Options is IReplicatesLayers { LayerOrder: not null }) throw Refuse("it runs layers several times (layer_replication)");
        var factors = new Dictionary<Target, (Tensor, Tensor, double)>();
        var whole = new List<FullLayer>();
        foreach (var group in adapter.Layers.GroupBy(layer => layer.Target))
        {
            var (target, layers) = (group.Key, group.ToList());
            if (layers is [FullLayer full] && !target.IsParameter && (adapter.Options is TargetedOptions || !target.IsMatrix || target.Bias is not null))
            {
                whole.Add(full);
                continue;
            }
            if (target.IsParameter) throw Refuse($"{target} is a parameter that only its module uses");
            if (!target.IsMatrix || target.Groups != 1) throw Refuse($"{target} is no product with a single matrix");
            using var inner = NewDisposeScope();
            if (layers is [ILowRank low and not IUpdatesBias])
            {
                factors.Add(target, Keep(Truncated(low.Factors(), rank, energy)));
                continue;
            }
            var update = model.UpdateOf(adapter.Name, target) ?? throw Refuse($"the {layers[0].GetType().Name} of {target.Path} is no update of the weight");
            if (update.Bias is { } bias && bias.count_nonzero().item<long>() > 0) throw Refuse($"it changes the bias of {target.Path}");
            var (u, s, vt) = linalg.svd(update.Weight, fullMatrices: false);
            factors.Add(target, Keep(Cut(vt, u, s, rank, energy)));
        }
        if (factors.Count == 0) throw Refuse("it has no update of a matrix");
        return (factors, whole);
    }

    // The singular vectors of B·A are those of R_B·R_Aᵀ, turned by the Q of the QR decompositions of B and Aᵀ: no matrix of the weight's size is decomposed.
    private static (Tensor A, Tensor B, double Error) Truncated(LowRankUpdate update, int? rank, double energy)
    {
        var (qb, rb) = linalg.qr(update.B.to_type(ScalarType.Float32));
        var (qa, ra) = linalg.qr(update.A.to_type(ScalarType.Float32).t());
        var (u, s, vt) = linalg.svd(rb.mm(ra.t()), fullMatrices: false);
        return Cut(vt.mm(qa.t()), qb.mm(u).mul(Constant(Math.Sign(update.Scale))), s.mul(Constant(Math.Abs(update.Scale))), rank, energy);
    }

    private static (Tensor A, Tensor B, double Error) Cut(Tensor a, Tensor u, Tensor s, int? rank, double energy)
    {
        double[] values = [.. s.cpu().to_type(ScalarType.Float64).data<double>()];
        var all = values.Sum(value => value * value);
        var most = Math.Min(rank ?? values.Length, values.Length);
        var (kept, sum) = (0, 0.0);
        while (kept < most && (kept == 0 || (sum < energy * all && values[kept] > values[0] * Rounding))) sum += values[kept] * values[kept++];
        var lost = values[kept..].Sum(value => value * value);
        return (a.narrow(0, 0, kept), u.narrow(1, 0, kept).mul(s.narrow(0, 0, kept)), all == 0 ? 0 : Math.Sqrt(lost / all));
    }

    private static (Tensor, Tensor, double) Keep((Tensor A, Tensor B, double Error) factors)
        => (factors.A.contiguous().MoveToOuterDisposeScope(), factors.B.contiguous().MoveToOuterDisposeScope(), factors.Error);

    private static void Fill(Adapter made, Dictionary<Target, (Tensor A, Tensor B, double Error)> factors, List<FullLayer> whole)
    {
        foreach (var layer in made.Layers)
            if (layer is LoraLayer lora)
            {
                var (a, b, _) = factors[layer.Target];
                lora.Refactor(a, b, scaling: 1);
            }
            else if (whole.Find(each => each.Target == layer.Target) is { } copied)
            {
                foreach (var (own, other) in layer.Tensors.Zip(copied.Tensors)) own.Value.copy_(other.Value);
            }
    }
}
