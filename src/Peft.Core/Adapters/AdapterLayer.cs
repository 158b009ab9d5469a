using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// What a method puts around one module. Adapters nest: a layer receives its input and what it encloses (<see cref="Inner"/>), and
/// returns its output. <see cref="Merge"/> says the same of the weights, so that forward equals merge for any stack of adapters.
/// </summary>
/// <remarks>The usual bases are <see cref="DeltaLayer"/>, <see cref="ReweightLayer"/> and <see cref="TransformLayer"/>.</remarks>
/// <param name="target">The adapted module.</param>
public abstract class AdapterLayer(Target target) : TensorOwner(Given(target).Weight.dtype, target.Weight.device)
{
    /// <summary>The adapted module.</summary>
    public Target Target { get; } = target;

    private static Target Given(Target target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return target;
    }

    /// <summary>Whether the module is in training mode, where dropout acts.</summary>
    protected bool Training => Target.Module.training;

    /// <summary>The output for an input of the module.</summary>
    /// <param name="input">The module's input, as the enclosing adapters changed it.</param>
    /// <param name="inner">The module with all adapters that this one encloses.</param>
    /// <returns>A new tensor, in the shape and type of the module's output.</returns>
    protected internal abstract Tensor Forward(Tensor input, Inner inner);

    /// <summary>The weights that give <see cref="Forward"/>'s output, as new tensors; null if there are none.</summary>
    /// <param name="inner">The weights of what this layer encloses.</param>
    protected internal virtual Weights? Merge(Weights inner) => null;

    /// <summary>Whether the output at one position depends on the input at others, so that a model must compute padding as its mask says.</summary>
    protected internal virtual bool MixesPositions => false;

    /// <summary>
    /// Whether a pass in training depends on more than its own rows: on their place in the batch, on other rows, or on state that passes change.
    /// Rows of a batch then run in one pass.
    /// </summary>
    protected internal virtual bool DependsOnBatch => false;

    /// <summary>
    /// Whether the adapter's file holds the base weight too where this layer enters the token embedding or the head, as Hugging Face
    /// PEFT's files do.
    /// </summary>
    protected internal virtual bool SavesEmbedding => true;

    /// <summary>Whether <see cref="Merge"/> changes the weight, and not the bias alone.</summary>
    internal virtual bool ChangesWeight => true;

    /// <summary>
    /// Multiplications that <see cref="Forward"/> adds per position. Where folding the layer into the weight costs less, the site does
    /// that instead. Infinite where forward forms the whole weight anyway; 0 (the default) where folding is no choice, as with dropout.
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

    /// <summary>Whether no adapter is enclosed.</summary>
    internal bool IsBare => layers.IsEmpty;

    /// <summary>The same with further layers around it.</summary>
    internal Inner Enclosed(ReadOnlySpan<AdapterLayer> outer)
        => outer.IsEmpty ? this : new Inner(site, layers.IsEmpty ? outer : (AdapterLayer[])[.. layers, .. outer], siteInput, siteOutput);

    /// <summary>The output of what is enclosed, for an input: a new tensor.</summary>
    public Tensor Forward(Tensor input)
    {
        if (!layers.IsEmpty) return layers[^1].Forward(input, new Inner(site, layers[..^1], siteInput, siteOutput));
        // A hook comes after the module has run: its output serves if nobody changed the input.
        if (siteOutput is not null && ReferenceEquals(input, siteInput)) return siteOutput.alias();
        var target = site.Target;
        using var matrix = target.ToMatrix(target.Weight);
        return target.Apply(input, matrix, target.Bias);
    }

    /// <summary>The weights of what is enclosed.</summary>
    /// <exception cref="NotMergeableException">An enclosed adapter cannot be expressed as weights.</exception>
    public Weights Weights => site.Fold(layers);
}
