namespace Peft.Adapters;

/// <summary>
/// (IA)³ (Liu et al. 2022, arXiv:2205.05638): y = l ∘ f(x) with l <c>[out]</c>, or in the feed-forward network y = f(l ∘ x) with
/// l <c>[in]</c>.
/// </summary>
internal sealed class Ia3Layer : TransformLayer, IScales
{
    private readonly bool atInput;
    private readonly Parameter scale;

    public Ia3Layer(Target target, bool atInput, bool neutral) : base(target)
    {
        this.atInput = atInput;
        // Hugging Face PEFT's shapes: [1, in] and [out, 1], and [1, channels, 1…] for both at a convolution.
        long[] spatial = target.IsProduct || target.IsLookup ? [] : target.OutputVectorShape[2..];
        long[] shape = atInput ? [1, target.InputChannels, .. spatial] : spatial.Length > 0 ? [1, target.Out, .. spatial] : [target.Out, 1];
        scale = Trainable("ia3_l", neutral ? Ones(shape) : Normal(1, shape));
    }

    protected override double CostPerPosition => Target.Out;

    public ChannelScales Scales(LowRankUpdate? inner)
    {
        var factors = scale.reshape(-1);
        return atInput ? new(factors, null, Target.Bias) : new(null, factors, Target.Bias?.mul(factors));
    }

    protected override Tensor TransformInput(Tensor input) => atInput ? input.mul(Target.AlongInput(scale)) : input;

    protected override Tensor TransformOutput(Tensor input, Tensor output) => atInput ? output : output.mul(Target.AlongOutput(scale));

    protected override Weights Merge(Weights inner)
        => atInput ? inner with { Weight = Target.ScaleColumns(inner.Weight, scale) }
            : new Weights(inner.Weight.mul(scale.reshape(-1, 1)), inner.Bias?.mul(scale.reshape(-1)));
}
