using static TorchSharp.torch;

namespace Peft;

/// <summary>Measures the updates that adapters make to the weights.</summary>
public static class UpdateReport
{
    /// <summary>Maximum size of the smaller dimension of a dense update for which singular values are computed. Low-rank updates have no limit.</summary>
    public const int LargestDense = 512;

    /// <summary>Measures the updates of an adapter: one row per module, in the order of the model.</summary>
    /// <param name="model">The model, with or without merged adapters.</param>
    /// <param name="adapter">Name of the adapter; all adapters if null, each separately on the base weights.</param>
    /// <param name="singularValues">True to also compute the singular values of ΔW.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public static IReadOnlyList<LayerUpdate> Updates(this PeftModel model, string? adapter = null, bool singularValues = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var _ = no_grad();
        return [.. from each in adapter is null ? model.Adapters.Values : [model.Find(adapter)]
                   from site in model.Sites
                   let layers = each.At(site.Target)
                   where layers.Length > 0
                   select Measure(model, each, site.Target, layers, singularValues)];
    }

    /// <summary>Computes the update that an adapter makes to the weight W <c>[out, in]</c> and the bias of a module: W′ − W and b′ − b, in float32.</summary>
    /// <param name="model">The model, with or without merged adapters.</param>
    /// <param name="adapter">Name of the adapter.</param>
    /// <param name="target">The module.</param>
    /// <returns>New tensors; null if the adapter does not change the module's weights or cannot be merged into them.</returns>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public static Weights? UpdateOf(this PeftModel model, string adapter, Target target)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(target);
        using var _ = no_grad();
        var layers = model.Find(adapter).At(target);
        if (layers.Length == 0) return null;
        using var scope = NewDisposeScope();
        var update = Update(target, layers, Wide(target.ToMatrix(model.BaseOf(target.Storage).Read())));
        update?.Weight.MoveToOuterDisposeScope();
        update?.Bias?.MoveToOuterDisposeScope();
        return update;
    }

    private static LayerUpdate Measure(PeftModel model, Adapter adapter, Target target, AdapterLayer[] layers, bool singularValues)
    {
        using var scope = NewDisposeScope();
        var weight = Wide(target.ToMatrix(model.BaseOf(target.Storage).Read()));
        var (norm, values) = layers is [ILowRank layer] ? Product(layer.Factors(), singularValues) : Dense(target, layers, weight, singularValues);
        var rounding = values.Length == 0 ? 0 : values[0] * 1e-6;
        return new(target.Path, adapter.Name, adapter.Options.PeftType, layers.SelectMany(layer => layer.Tensors).Sum(tensor => tensor.Value.numel()),
            Norm(weight), norm, [.. values.Where(value => value > rounding).Select(value => (double)value)]);
    }

    // ‖B·A‖² = ⟨BᵀB, A·Aᵀ⟩, and the singular values of B·A are those of R_B·R_Aᵀ, from the QR decompositions of B and Aᵀ.
    private static (double?, float[]) Product(LowRankUpdate factors, bool singularValues)
    {
        var (a, b, scale) = (Wide(factors.A), Wide(factors.B), Math.Abs(factors.Scale));
        if (!singularValues) return (scale * Math.Sqrt(Math.Max(0, b.t().mm(b).mul(a.mm(a.t())).sum().to_type(ScalarType.Float64).item<double>())), []);
        var inner = linalg.qr(b).R.mm(linalg.qr(a.t()).R.t());
        var values = linalg.svdvals(inner).mul(Constant(scale));
        return (Norm(values), values.cpu().data<float>().ToArray());
    }

    private static (double?, float[]) Dense(Target target, AdapterLayer[] layers, Tensor weight, bool singularValues)
    {
        if (Update(target, layers, weight) is not { Weight: var update }) return (null, []);
        var small = target.IsMatrix && Math.Min(target.Out, target.In) <= LargestDense;
        return (Norm(update), singularValues && small ? linalg.svdvals(update).cpu().data<float>().ToArray() : []);
    }

    private static Weights? Update(Target target, AdapterLayer[] layers, Tensor weight)
    {
        var bias = target.Bias is { } own ? Wide(own) : null;
        var folded = new Weights(weight, bias);
        foreach (var layer in layers)
        {
            if (layer.Merge(folded) is not { } next) return null;
            folded = next;
        }
        return new(folded.Weight.to_type(ScalarType.Float32).sub(weight), bias is null ? null : folded.Bias!.to_type(ScalarType.Float32).sub(bias));
    }

    private static double Norm(Tensor tensor) => tensor.norm().to_type(ScalarType.Float64).item<double>();

    private static Tensor Wide(Tensor tensor) => tensor.detach().to_type(ScalarType.Float32);
}
