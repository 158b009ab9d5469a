namespace Peft.Lora;

/// <summary>
/// X-LoRA's classifier: linear layers with ReLU in between map the last hidden states of the first pass to logits <c>[modules, experts]</c>, or <c>[experts]</c>
/// for all modules. λ = softmax(logits/temperature), optionally restricted to the largest values.
/// </summary>
internal sealed class XLoraMixture : SharedTensors, IReadsPreliminaryPass, IMayBeMissing
{
    private readonly XLoraOptions options;
    private readonly nn.Module model;
    private readonly (Parameter Weight, Parameter Bias)[] layers;
    private readonly ThreadLocal<Tensor[]?> current = new();   // forward passes may run concurrently on several threads

    public XLoraMixture(XLoraOptions options, IReadOnlyList<XLoraExpert> experts, ModelTree model, IReadOnlyList<Target> targets) : base(targets[0].ComputeType, targets[0].Device)
    {
        (this.options, this.model, Experts) = (options, model.Model, experts);
        var outputs = experts.Count * (options.IsLayerwise ? targets.Count : 1);
        AdapterPlan.Allow(CPU, options.Depth, 256);   // each layer takes at least a kilobyte, however narrow it is
        long[] widths = [model.Prompted.PromptShape.HiddenSize, .. Enumerable.Repeat((long)options.Size, options.Depth - 1), outputs];
        // Indices in a torch Sequential include the activation and dropout modules.
        var stride = options.Dropout > 0 ? 3 : 2;
        layers = [.. Enumerable.Range(0, options.Depth).Select(i => (Make($"{i * stride}.weight", widths[i], widths[i + 1], widths[i]), Make($"{i * stride}.bias", widths[i], widths[i + 1])))];
    }

    /// <summary>The experts, in order.</summary>
    public IReadOnlyList<XLoraExpert> Experts { get; }

    public string MissingWarning => "lacks layers of X-LoRA's classifier, since Hugging Face PEFT 0.20 does not save layers whose index is also the name of an expert: these layers are initialized randomly, so train the classifier before use.";

    public IDisposable Read(Tensor states)
    {
        using var scope = NewDisposeScope();
        var x = states.to_type(TensorType);
        for (var i = 0; i < layers.Length; i++)
        {
            if (i > 0) x = nn.functional.dropout(x.relu(), options.Dropout, model.training);
            x = nn.functional.linear(x, layers[i].Weight, layers[i].Bias);
        }
        var weights = x.view(x.size(0), x.size(1), -1, Experts.Count);   // [batch, positions, modules or 1, experts]
        if (options.UseSoftmax) weights = weights.div(Constant(options.Temperature)).softmax(-1);
        var before = current.Value;
        current.Value = [.. weights.unbind(2).Select(each => Choose(each).DetachFromDisposeScope())];
        return new Reading(this, before);
    }

    /// <summary>Mixture weights of the experts at a module, <c>[rows, positions, experts]</c>, for the rows of its input.</summary>
    /// <param name="target">The module.</param>
    /// <param name="module">Index of the module among the adapted modules.</param>
    /// <param name="output">Output of the module.</param>
    /// <exception cref="PeftException">The model has not run a first pass, or the module runs on other positions.</exception>
    public Tensor MixtureWeights(Target target, int module, Tensor output)
    {
        if (ForwardPass.Current.IsPreliminary) return Choose(full([output.size(0), output.size(1), Experts.Count], Constant(options.FirstPassWeight), output.dtype, output.device));
        var all = current.Value ?? throw new PeftException($"{target.Path} runs without the first pass that X-LoRA needs: call the model instead of its modules.");
        var weights = ForwardPass.SelectRows(all[options.IsLayerwise ? module : 0]);
        return output.dim() == 3 && weights.size(0) == output.size(0) && weights.size(1) == output.size(1) ? weights
            : throw new PeftException($"{target.Path} gave an output [{string.Join(", ", output.shape)}], but X-LoRA's first pass had {weights.size(0)} rows of {weights.size(1)} positions: do not prepend virtual tokens, and run the module on all positions.");
    }

    private Tensor Choose(Tensor weights)
    {
        if (options.TopExperts is not { } count) return options.UseTopSoftmax ? weights.softmax(-1) : weights;
        var (_, indices) = weights.topk(count, -1);
        var left = ones_like(weights, ScalarType.Bool).scatter(-1, indices, zeros_like(indices, ScalarType.Bool));
        return options.UseTopSoftmax ? weights.masked_fill(left, Constant(double.NegativeInfinity)).softmax(-1) : weights.masked_fill(left, Constant(0));
    }

    private Parameter Make(string name, long inputs, params long[] shape) => Trainable($"internal_xlora_classifier.layers.{name}", Uniform(1 / Math.Sqrt(inputs), shape));

    private sealed class Reading(XLoraMixture mixture, Tensor[]? before) : IDisposable
    {
        public void Dispose()
        {
            foreach (var weights in mixture.current.Value ?? []) weights.Dispose();
            mixture.current.Value = before;
        }
    }
}
