using static TorchSharp.torch;

namespace Peft.Adapters;

/// <summary>What the projections of a compacter share: the rules, or the factors, or both.</summary>
internal sealed class HypercomplexShared : SharedTensors
{
    private readonly long inputs, width;
    private readonly Func<Tensor>? down, up;

    public HypercomplexShared(BottleneckOptions options, Target first) : base(first.Weight.dtype, first.Weight.device)
    {
        (inputs, width) = (first.Out, Math.Max(1, (long)(first.Out / (options.ReductionFactor.At(null) ?? options.ReductionFactor.All.First()))));
        if (options.SharesRule) Rules = Hypercomplex.Rules(options, options.RuleDeviation, 1, shape => Zeros(shape), (name, value) => options.TrainsRule ? Trainable(name, value) : Frozen(name, value));
        if (!options.SharesWeights) return;
        down = Hypercomplex.Factors(options, "W_down", inputs, width, first, shape => Zeros(shape), (name, value) => Trainable(name, value));
        up = Hypercomplex.Factors(options, "W_up", width, inputs, first, shape => Zeros(shape), (name, value) => Trainable(name, value));
    }

    /// <summary>What computes the rules <c>[n, n, n]</c>, if they are shared.</summary>
    public Func<Tensor>? Rules { get; }

    /// <summary>What computes the factors of all projections down or up.</summary>
    public Func<Tensor> FactorsOf(string position, long from, long to, Target target)
        => (position == "down" ? (from, to) == (inputs, width) : (from, to) == (width, inputs)) ? (position == "down" ? down! : up!)
            : throw new AdapterOptionsException($"SharesWeights needs adapters of one size, but {target.Path} goes from {from} to {to} channels and not between {inputs} and {width}.");
}
