namespace Peft;

/// <summary>Context-oriented decomposition (Yang et al. 2024, arXiv:2406.05223).</summary>
public static class Corda
{
    /// <summary>
    /// Initializes a LoRA adapter from the decomposition of the weight weighted by the covariance of sampled inputs, W·C = U·S·Vᵀ with C = XᵀX/n. If
    /// <paramref name="preserve"/> is false, the adapter trains the leading components, to learn a task like the samples; if true, the trailing ones, to
    /// preserve the knowledge in the samples. The other components are frozen. The initialization does not change the model's outputs. It needs memory for C <c>[in, in]</c> of each module.
    /// </summary>
    /// <remarks>Save the adapter with <see cref="LoraConversion.SaveAsPlainLora"/>: a reader cannot recompute the initialization without the samples.</remarks>
    /// <typeparam name="T">Type of a sample.</typeparam>
    /// <param name="model">The model, with a LoRA adapter whose <see cref="LoraOptions.Initialization"/> is <see cref="LoraInitialization.Corda"/>.</param>
    /// <param name="samples">The samples. All of them are used.</param>
    /// <param name="forward">Runs the model on a sample.</param>
    /// <param name="preserve">True to preserve the knowledge that the samples show; false to adapt to the samples.</param>
    /// <param name="mask">Attention mask of a sample, <c>[batch, sequence]</c> with 0 for padding. If null, all positions count.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The adapter was not created with CorDA initialization, or no sample reached an adapted module.</exception>
    public static void InitializeCorda<T>(this PeftModel model, IEnumerable<T> samples, Action<T> forward, bool preserve = false,
        Func<T, Tensor>? mask = null, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        var lora = LoraCombining.LoraOf(model, name);
        if (lora.Initialization != LoraInitialization.Corda) throw new AdapterOptionsException($"Adapter '{name}' has Initialization '{lora.Initialization}': create it with Initialization = LoraInitialization.Corda.");
        var layers = LoraCombining.LayersOf(model, name);
        using var scope = NewDisposeScope();
        var sums = new Dictionary<Target, (Tensor Sum, long Count)>();
        LayerInputs.Collect(model, samples, forward, mask, (target, rows) =>
        {
            if (!layers.ContainsKey(target) || target.IsLookup) return;
            var (sum, count) = sums.GetValueOrDefault(target, (null!, 0));
            var gram = rows.t().mm(rows);
            if (sum is null) sum = zeros_like(gram).DetachFromDisposeScope();
            sum.add_(gram, One);
            sums[target] = (sum, count + rows.size(0));
        });
        if (sums.Count == 0) throw new AdapterOptionsException("No sample reached an adapted module: CorDA needs samples.");
        using var _ = no_grad();
        foreach (var (target, (sum, count)) in sums)
        {
            using var each = NewDisposeScope();
            var layer = layers[target];
            var (a, b) = Factors(target.ReadMatrix(ScalarType.Float32), sum.div_(Constant(count)), layer.Rank, layer.Scaling, preserve);
            layer.Refactor(a, b, layer.Scaling, replacesBase: true);
            sum.Dispose();
        }
    }

    private static (Tensor A, Tensor B) Factors(Tensor weight, Tensor covariance, int rank, double scaling, bool preserve)
    {
        var (damped, inverse) = Invert(covariance);
        var (u, s, vt) = linalg.svd(weight.mm(damped), fullMatrices: false);
        var start = preserve ? s.numel() - rank : 0;
        var root = s.narrow(0, start, rank).div(Constant(scaling)).sqrt();
        return (root.unsqueeze(1).mul(vt.narrow(0, start, rank).mm(inverse)), u.narrow(1, start, rank).mul(root));
    }

    // A covariance matrix is nearly singular: the damping of its diagonal grows until the inverse is accurate.
    private static (Tensor Damped, Tensor Inverse) Invert(Tensor covariance)
    {
        var identity = eye(covariance.size(0), dtype: covariance.dtype, device: covariance.device);
        var mean = covariance.diagonal().mean();
        for (var damping = 0.01; ; damping *= 2)
        {
            var damped = covariance.add(identity.mul(mean.mul(Constant(damping))), One);
            var inverse = linalg.inv(damped);
            if ((damped.mm(inverse) - identity).norm().item<float>() < 0.05 || damping > 1e6) return (damped, inverse);
        }
    }
}
