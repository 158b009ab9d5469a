using static TorchSharp.torch;

namespace Peft;

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

    /// <summary>Wraps more layers around the same module.</summary>
    internal Inner Enclosed(ReadOnlySpan<AdapterLayer> outer)
        => outer.IsEmpty ? this : new Inner(site, layers.IsEmpty ? outer : (AdapterLayer[])[.. layers, .. outer], siteInput, siteOutput);

    /// <summary>Computes the output of the module with the enclosed adapters: a new tensor.</summary>
    public Tensor Forward(Tensor input)
    {
        if (!layers.IsEmpty) return layers[^1].Forward(input, new Inner(site, layers[..^1], siteInput, siteOutput));
        // A hook runs after the module, so its output can be used if no layer changed the input.
        if (siteOutput is not null && ReferenceEquals(input, siteInput)) return siteOutput.alias();
        return site.Target.Apply(input);
    }

    /// <summary>The weights of the module with the enclosed adapters merged.</summary>
    /// <exception cref="NotMergeableException">An enclosed adapter cannot be merged.</exception>
    public Weights Weights => site.Fold(layers);
}
