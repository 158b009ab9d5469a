using Peft.Lora;
using static TorchSharp.torch;

namespace Peft.Export;

/// <summary>The updates of an adapter as low-rank factors, which every LoRA runtime supports, whatever method they come from.</summary>
internal static class LowRankUpdates
{
    // The relative error below which an update is the product of the factors that were found.
    private const double Tolerance = 1e-5;

    /// <summary>The update of each module except those that are fully trained. The factors are in the current scope.</summary>
    public static IEnumerable<(Target Target, LowRankUpdate Update)> Of(Adapter adapter) => adapter.Layers.OfType<DeltaLayer>().Select(layer => (layer.Target, Factors(layer)!));

    /// <summary>The parts of an adapter that are not low-rank updates of a matrix.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="takesWhole">True if fully trained modules are supported too.</param>
    public static IEnumerable<string> Problems(Adapter adapter, bool takesWhole = false)
    {
        const int shown = 3;
        var method = adapter.Options.PeftType;
        if (adapter.Prompt is not null) yield return $"{method} has virtual tokens.";
        else if (adapter.Options is IReplicatesLayers { LayerOrder: not null }) yield return $"{method} runs layers of the model several times (layer_replication), and only the graph of its own layers is exported.";
        else if (adapter.Layers.Where(layer => layer is DeltaLayer or FullLayer).GroupBy(layer => layer.Target).FirstOrDefault(group => group.Count() > 1)?.Key is { } twice) yield return $"{method} has several updates of {twice.Path}. Merge the adapter (MergeAndUnload), and export the model.";
        else if (adapter.Layers.Count == 0) yield return "the adapter has no layers.";
        foreach (var group in adapter.Layers.GroupBy(layer => Problem(layer, method, takesWhole)).Where(group => group.Key is not null))
        {
            string[] paths = [.. group.Select(layer => layer.Target.Path).Distinct()];
            yield return $"{group.Key} ({string.Join(", ", paths.Take(shown))}{(paths.Length > shown ? ", …" : "")}). Merge the adapter (MergeAndUnload), and export the model.";
        }
    }

    private static string? Problem(AdapterLayer layer, string method, bool takesWhole)
    {
        if (layer is FullLayer) return takesWhole ? null : "fully trained modules are not low-rank updates";
        if (layer is not DeltaLayer delta) return $"{layer.GetType().Name} of {method} is not a low-rank update";
        if (layer is AloraLayer) return "activated LoRA applies to some positions only";
        if (layer.Target.IsParameter || !layer.Target.IsMatrix || layer.Target.Groups != 1) return "only linear modules and embeddings take low-rank updates";
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        if ((layer as IUpdatesBias)?.DeltaBias() is not null) return "the update has a bias";
        return Factors(delta) is null ? $"the update of {method} is of a high rank" : null;
    }

    // Other methods' factors may be of a higher rank than their product.
    private static LowRankUpdate? Factors(DeltaLayer layer)
        => layer is ILowRank known && known.Factors() is var factors && (layer is LoraLayer || 2 * factors.A.size(0) <= Math.Min(factors.A.size(1), factors.B.size(0))) ? factors : Factors(layer.Delta());

    // Projects the update on the range of its products with random vectors (Halko, Martinsson and Tropp 2011): exact if its rank is at most their number.
    private static LowRankUpdate? Factors(Tensor delta)
    {
        var matrix = delta.to_type(ScalarType.Float64);
        var most = Math.Min(matrix.size(0), matrix.size(1)) / 2;
        if (most < 1) return null;
        using var generator = new Generator(0, CPU);
        var samples = randn([matrix.size(1), Math.Min(most, 256)], ScalarType.Float64, CPU, generator: generator).to(matrix.device);
        var (range, _) = linalg.qr(matrix.mm(samples));
        var projected = range.t().mm(matrix);
        if (matrix.sub(range.mm(projected)).norm().item<double>() > Tolerance * matrix.norm().item<double>()) return null;
        var (left, values, right) = linalg.svd(projected, fullMatrices: false);
        var rank = Math.Max(1, values.gt(Constant(values[0].item<double>() * 1e-7)).sum().item<long>());
        var roots = values.narrow(0, 0, rank).sqrt();
        return new(right.narrow(0, 0, rank).mul(roots.unsqueeze(1)).to_type(delta.dtype), range.mm(left.narrow(1, 0, rank)).mul(roots).to_type(delta.dtype), 1);
    }
}
