using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A layer that a method wraps around one module. Adapters nest: a layer receives its input and the enclosed module (<see cref="Inner"/>), and
/// returns its output. <see cref="Merge"/> does the same with the weights, so that forward and merge agree for any stack of adapters.
/// </summary>
/// <remarks>The usual base classes are <see cref="DeltaLayer"/>, <see cref="ReweightLayer"/> and <see cref="TransformLayer"/>.</remarks>
/// <param name="target">The adapted module.</param>
public abstract class AdapterLayer(Target target) : TensorOwner(Given(target).ComputeType, target.Device)
{
    /// <summary>The adapted module.</summary>
    public Target Target { get; } = target;

    private static Target Given(Target target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return target;
    }

    /// <summary>True if the module is in training mode; dropout then applies.</summary>
    protected bool Training => Target.Module.training;

    /// <summary>Computes the layer's output for an input of the module.</summary>
    /// <param name="input">The module's input, possibly transformed by enclosing adapters.</param>
    /// <param name="inner">The module with all adapters that this layer encloses.</param>
    /// <returns>A new tensor with the shape and dtype of the module's output.</returns>
    protected internal abstract Tensor Forward(Tensor input, Inner inner);

    /// <summary>The merged weights, with which the module gives the output of <see cref="Forward"/>, as new tensors; null if the layer cannot be merged.</summary>
    /// <param name="inner">The weights of the enclosed module, with its adapters merged.</param>
    protected internal virtual Weights? Merge(Weights inner) => null;

    /// <summary>
    /// True if a training pass depends on more than its own rows: on their index in the batch, on other rows, or on state that passes change.
    /// All rows of a batch must then run in a single pass.
    /// </summary>
    protected internal virtual bool DependsOnBatch => false;

    /// <summary>True if <see cref="Merge"/> changes the weight; false if it changes only the bias.</summary>
    internal virtual bool ChangesWeight => true;

    /// <summary>
    /// Multiplications per position that <see cref="Forward"/> adds. If folding the layer into the weight costs less, the layer is folded
    /// instead. Infinite if forward computes the whole weight anyway; 0 (the default) if the layer must not be folded, for example because of dropout.
    /// </summary>
    protected internal virtual double CostPerPosition => 0;
}

/// <summary>A module with the adapters that a layer encloses.</summary>
public readonly ref struct Inner
{
    private readonly AdapterSite site;
    private readonly ReadOnlySpan<AdapterLayer> layers;
    private readonly Tensor siteInput;
    private readonly Tensor? siteOutput;

    internal Inner(AdapterSite site, ReadOnlySpan<AdapterLayer> layers, Tensor siteInput, Tensor? siteOutput)
    {
        this.site = site;
        this.layers = layers;
        this.siteInput = siteInput;
        this.siteOutput = siteOutput;
    }

    /// <summary>True if no adapter is enclosed.</summary>
    internal bool IsBare => layers.IsEmpty;

    /// <summary>The same module with further layers around it.</summary>
    internal Inner Enclosed(ReadOnlySpan<AdapterLayer> outer)
        => outer.IsEmpty ? this : new Inner(site, layers.IsEmpty ? outer : (AdapterLayer[])[.. layers, .. outer], siteInput, siteOutput);

    /// <summary>The output of the module with the enclosed adapters: a new tensor.</summary>
    public Tensor Forward(Tensor input)
    {
        if (!layers.IsEmpty) return layers[^1].Forward(input, new Inner(site, layers[..^1], siteInput, siteOutput));
        // A hook runs after the module: the module's output can be used if no layer changed the input.
        if (siteOutput is not null && ReferenceEquals(input, siteInput)) return siteOutput.alias();
        return site.Target.Apply(input);
    }

    /// <summary>The weights of the module with the enclosed adapters merged.</summary>
    /// <exception cref="NotMergeableException">An enclosed adapter cannot be merged.</exception>
    public Weights Weights => site.Fold(layers);
}
