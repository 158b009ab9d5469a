using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Context-oriented decomposition (Yang et al. 2024, arXiv:2406.05223).</summary>
public static class Corda
{
    /// <summary>
    /// Starts a LoRA adapter from the weight's directions as sampled inputs use them, W·C = U·S·Vᵀ with C = XᵀX/n: those used most to
    /// learn a task like the samples (<paramref name="preserve"/> false), or those used least to keep what the samples show. That part
    /// is trained, the rest frozen; the model is unchanged at the start. Needs memory for C <c>[in, in]</c> of each module.
    /// </summary>
    /// <remarks>Save it by <see cref="LoraConversion.SaveAsPlainLora"/>: a reader could not find the same directions without the samples.</remarks>
    /// <typeparam name="T">A sample.</typeparam>
    /// <param name="model">The model, with a LoRA adapter whose <see cref="LoraOptions.Initialization"/> is <see cref="LoraInitialization.Corda"/>.</param>
    /// <param name="samples">Samples, all of which are taken.</param>
    /// <param name="forward">Runs the model on a sample.</param>
    /// <param name="preserve">Whether to keep the knowledge that the samples show.</param>
    /// <param name="mask">Which positions of a sample count, <c>[batch, sequence]</c> with 0 for padding; all if null.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The adapter was not made for CorDA, or there were no samples.</exception>
    public static void InitializeCorda<T>(this PeftModel model, IEnumerable<T> samples, Action<T> forward, bool preserve = false,
        Func<T, Tensor>? mask = null, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        var lora = LoraCombining.LoraOf(model, name);
        if (lora.Initialization != LoraInitialization.Corda) throw new AdapterOptionsException($"Adapter '{name}' starts by '{lora.Initialization}': make it with Initialization = LoraInitialization.Corda.");
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
            sums[target] = (sum, count + rows.shape[0]);
        });
        if (sums.Count == 0) throw new AdapterOptionsException("No sample reached an adapted module: CorDA needs samples.");
        using var _ = no_grad();
        foreach (var (target, (sum, count)) in sums)
        {
            using var each = NewDisposeScope();
            var layer = layers[target];
            var (a, b) = Factors(target.ToMatrix(target.Weight).to_type(ScalarType.Float32), sum.div_(Kept(count)), layer.Rank, layer.Scaling, preserve);
            layer.Refactor(a, b, layer.Scaling, replacesBase: true);
            sum.Dispose();
        }
    }

    private static (Tensor A, Tensor B) Factors(Tensor weight, Tensor covariance, int rank, double scaling, bool preserve)
    {
        var (damped, inverse) = Invert(covariance);
        var (u, s, vt) = linalg.svd(weight.mm(damped), fullMatrices: false);
        var start = preserve ? s.numel() - rank : 0;
        var root = s.narrow(0, start, rank).div(Kept(scaling)).sqrt();
        return (root.unsqueeze(1).mul(vt.narrow(0, start, rank).mm(inverse)), u.narrow(1, start, rank).mul(root));
    }

    // A covariance is close to singular: the diagonal grows until the inverse is one.
    private static (Tensor Damped, Tensor Inverse) Invert(Tensor covariance)
    {
        var identity = eye(covariance.shape[0], dtype: covariance.dtype, device: covariance.device);
        var mean = covariance.diagonal().mean();
        for (var damping = 0.01; ; damping *= 2)
        {
            var damped = covariance.add(identity.mul(mean.mul(Kept(damping))), One);
            var inverse = linalg.inv(damped);
            if ((damped.mm(inverse) - identity).norm().item<float>() < 0.05 || damping > 1e6) return (damped, inverse);
        }
    }
}
