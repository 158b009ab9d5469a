using Peft.Lora;
using Peft.Quantization;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>LoRA with gradient approximation (Wang et al. 2024, arXiv:2407.05000).</summary>
public static class LoraGa
{
    /// <summary>
    /// Initializes a LoRA adapter to leading singular vectors of the gradient of each weight, so that its first steps approximate those of full fine-tuning. The
    /// initial product is subtracted from the weight, so the initialization does not change the model's outputs. It needs memory for the gradients of all adapted weights, in float32 also for quantized ones.
    /// </summary>
    /// <remarks>
    /// The gradient is averaged over the uses of the module, in training mode, as in Hugging Face PEFT. Modules that are not linear, or that no sample reaches, keep the default
    /// initialization. Save the adapter with <see cref="LoraConversion.SaveAsPlainLora"/>: a reader cannot recompute the initialization without the samples.
    /// </remarks>
    /// <typeparam name="T">Type of a sample.</typeparam>
    /// <param name="model">The model, with a LoRA adapter whose <see cref="LoraOptions.Initialization"/> is <see cref="LoraInitialization.LoraGa"/> and whose settings are <see cref="LoraOptions.LoraGa"/>.</param>
    /// <param name="samples">The samples, such as a few batches of the training data. All of them are used.</param>
    /// <param name="loss">The loss of the model for a sample, a scalar.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The adapter was not created with LoRA-GA initialization, its rank is too large, or no sample reached an adapted module.</exception>
    /// <exception cref="PeftException">Adapters are merged into the weights.</exception>
    public static void InitializeLoraGa<T>(this PeftModel model, IEnumerable<T> samples, Func<T, Tensor> loss, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(loss);
        var lora = LoraCombining.LoraOf(model, name);
        if (lora.Initialization != LoraInitialization.LoraGa) throw new AdapterOptionsException($"Adapter '{name}' has Initialization '{lora.Initialization}': create it with Initialization = LoraInitialization.LoraGa.");
        var layers = LoraCombining.LayersOf(model, name).Values.Where(layer => layer.Target.Kind == ModuleKinds.Linear).ToList();
        if (layers.Count == 0) throw new AdapterOptionsException($"Adapter '{name}' adapts no linear module, for which LoRA-GA is defined: leave Initialization at its default.");
        if (layers.Find(layer => 2 * layer.Rank > Math.Min(layer.Target.In, layer.Target.Out)) is { } wide)
            throw new AdapterOptionsException($"LoRA-GA takes {2 * wide.Rank} singular vectors, twice the rank, but {wide.Target} has {Math.Min(wide.Target.In, wide.Target.Out)}. Lower its rank with RankPattern.");
        if (model.IsMerged) throw new PeftException("Adapters are merged into the weights, whose gradients LoRA-GA needs: call Unmerge first.");

        using var scope = NewDisposeScope();
        var gradients = Gradients(model, layers, samples, loss);
        if (gradients.Count == 0) throw new AdapterOptionsException("No sample reached an adapted module: LoRA-GA needs samples.");
        using var _ = no_grad();
        using var random = new SeededRandom(lora.InitializationSeed, CPU);
        var settings = lora.LoraGa ?? new LoraGaOptions();
        List<(LoraLayer Layer, Tensor A, Tensor B)> made = [.. gradients.Select(each => Factors(each.Layer, each.Gradient, settings, random))];
        foreach (var (layer, a, b) in made) layer.Refactor(a, b, layer.Scaling, replacesBase: true);
    }

    /// <summary>The mean gradient <c>[out, in]</c> of each weight of the base model that the samples reach.</summary>
    private static List<(LoraLayer Layer, Tensor Gradient)> Gradients<T>(PeftModel model, List<LoraLayer> layers, IEnumerable<T> samples, Func<T, Tensor> loss)
    {
        // A quantized weight is not a parameter: its products accumulate the gradient.
        if (layers.FirstOrDefault(layer => layer.Target.IsLookup && layer.Target.Storage.Parameter is null) is { } lookup)
            throw new AdapterOptionsException($"{lookup.Target.Path} is a quantized embedding, whose gradient LoRA-GA cannot compute: target other modules, or quantize the model without QuantizationOptions.Embeddings.");
        var stored = layers.Where(layer => layer.Target.Storage.Parameter is null).ToDictionary(layer => layer, layer => new StoredGradient(layer.Target.Storage));
        var weights = layers.Where(layer => !stored.ContainsKey(layer)).ToDictionary(layer => layer, layer => layer.Target.Storage.Parameter!);
        var required = model.Module.parameters().Select(parameter => (Parameter: parameter, parameter.requires_grad, Gradient: parameter.grad)).ToList();
        var uses = new Dictionary<Target, int>();
        var training = model.Module.training;
        try
        {
            foreach (var (parameter, _, _) in required) (parameter.requires_grad, parameter.grad) = (false, null);
            foreach (var weight in weights.Values) weight.requires_grad = true;
            model.Module.train();
            using var off = model.WithoutAdapters();
            using var observed = model.Observe((target, _) =>
            {
                // With activation checkpointing, a layer first runs without gradients; only the recomputation counts.
                if (is_grad_enabled()) uses[target] = uses.GetValueOrDefault(target) + 1;
            });
            foreach (var sample in samples)
            {
                using var scope = NewDisposeScope();
                using var on = enable_grad();
                var value = loss(sample);
                if (value is not { IsInvalid: false } || value.numel() != 1 || !value.requires_grad)
                    throw new AdapterOptionsException("The loss of a sample must be a scalar that depends on the adapted weights: compute it from the model's outputs, with gradients.");
                value.backward();
            }
            return [.. layers.Where(layer => uses.ContainsKey(layer.Target) && GradientOf(layer) is not null)
                .Select(layer => (layer, layer.Target.ToMatrix(GradientOf(layer)!).to_type(ScalarType.Float32).div(Constant(uses[layer.Target]))))];
        }
        finally
        {
            model.Module.train(training);
            foreach (var (parameter, requires, gradient) in required) (parameter.grad, parameter.requires_grad) = (gradient, requires);
            foreach (var gradient in stored.Values) gradient.Dispose();
        }

        Tensor? GradientOf(LoraLayer layer) => stored.TryGetValue(layer, out var own) ? own.Value : weights[layer].grad;
    }

    private static (LoraLayer Layer, Tensor A, Tensor B) Factors(LoraLayer layer, Tensor gradient, LoraGaOptions settings, SeededRandom random)
    {
        using var scope = NewDisposeScope();
        var (target, rank) = (layer.Target, layer.Rank);
        var (u, s, vt) = Svd(gradient, 4 * rank, random);
        var (forA, forB) = settings.Direction switch
        {
            LoraGaDirection.FirstA => (Range(0, 1), Range(rank, 1)),
            LoraGaDirection.FirstB => (Range(rank, 1), Range(0, 1)),
            LoraGaDirection.Alternating => (Range(1, 2), Range(0, 2)),
            _ => Same(random.Choose(rank, 2 * rank).to(gradient.device)),
        };
        var (a, sizes) = (vt.index_select(0, forA), s.index_select(0, forB));
        var b = u.index_select(1, forB).mul(sizes);
        // As in Hugging Face PEFT, out is the first dimension of the stored weight: the input size of GPT-2's transposed linear modules.
        if (settings.Scale == LoraGaScale.Stable) b = b.mul(Constant(Math.Pow(target.Storage.Shape[0], 0.25) / Math.Sqrt(settings.StableGamma)));
        if (settings.Scale == LoraGaScale.WeightSvd && sizes[0].item<float>() is > 0 and var size)
        {
            var (_, largest, _) = Svd(target.ReadMatrix(ScalarType.Float32), rank, random);
            b = b.mul(Constant(largest[0].item<float>() / (double)size));
        }
        if (settings.Scale == LoraGaScale.GradientDescent) (a, b) = (a.div(Constant(layer.Scaling)), b.div(Constant(layer.Scaling)));
        return (layer, a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope());

        Tensor Range(long first, long step) => arange(Constant(0), Constant(rank), One, ScalarType.Int64, gradient.device).mul(Constant(step)).add(Constant(first), One);

        static (Tensor, Tensor) Same(Tensor chosen) => (chosen, chosen);
    }

    // Randomized, with four power iterations, or exact if all singular vectors are needed.
    private static (Tensor U, Tensor S, Tensor Vt) Svd(Tensor matrix, int count, SeededRandom random)
        => count >= Math.Min(matrix.size(0), matrix.size(1)) ? linalg.svd(matrix, fullMatrices: false) : LowRank.Svd(matrix, random.Normal(matrix.size(1), count).to(matrix.device), 4);
}
