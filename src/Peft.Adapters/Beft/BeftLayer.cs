namespace Peft.Adapters;

/// <summary>BEFT (2025, arXiv:2509.15974): y = f(x) + b with b <c>[out]</c>.</summary>
internal sealed class BeftLayer : TransformLayer
{
    private readonly Parameter bias;   // [1, out]

    public BeftLayer(Target target, bool neutral) : base(target)
        => bias = Trainable("beft_bias", neutral ? Zeros(1, target.Out) : Normal(1, 1, target.Out));

    protected override double CostPerPosition => Target.Out;

    protected override Tensor TransformOutput(Tensor input, Tensor output) => output.add(Target.AlongOutput(bias), One);

    protected override Weights Merge(Weights inner) => inner with { Bias = inner.Bias?.add(bias.reshape(-1), One) ?? bias.reshape(-1) };
}
