namespace Peft.Adapters;

/// <summary>Tensors that the projections of a compacter share: the rules, the factors, or both.</summary>
internal sealed class HypercomplexShared : SharedTensors
{
    private readonly long inputs, width;
    private readonly Func<Tensor>? down, up;

    public HypercomplexShared(BottleneckOptions options, Target first) : base(first.ComputeType, first.Device)
    {
        (inputs, width) = (first.Out, Math.Max(1, (long)(first.Out / (options.ReductionFactor.At(null) ?? options.ReductionFactor.All.First()))));
        if (options.SharesRule) Rules = Hypercomplex.Rules(options, options.RuleDeviation, 1, shape => Zeros(shape), (name, value) => options.TrainsRule ? Trainable(name, value) : Frozen(name, value));
        if (!options.SharesWeights) return;
        down = Hypercomplex.Factors(options, "W_down", inputs, width, first, shape => Zeros(shape), (name, value) => Trainable(name, value));
        up = Hypercomplex.Factors(options, "W_up", width, inputs, first, shape => Zeros(shape), (name, value) => Trainable(name, value));
    }

    /// <summary>Computes the rules <c>[n, n, n]</c>; null if they are not shared.</summary>
    public Func<Tensor>? Rules { get; }

    /// <summary>A function that computes the shared factors of the down or up projections.</summary>
    public Func<Tensor> FactorsOf(string position, long from, long to, Target target)
        => (position == "down" ? (from, to) == (inputs, width) : (from, to) == (width, inputs)) ? (position == "down" ? down! : up!)
            : throw new AdapterOptionsException($"SharesWeights needs adapters of the same size, but the projection at {target.Path} maps {from} to {to} channels, while the shared factors are for {inputs} and {width}.");
}
