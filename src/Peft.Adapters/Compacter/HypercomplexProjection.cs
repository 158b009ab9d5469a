namespace Peft.Adapters;

/// <summary>One projection of a compacter. Its layer registers its tensors.</summary>
internal sealed class HypercomplexProjection
{
    private readonly Func<Tensor> rules, factors;
    private readonly Parameter? bias;

    public HypercomplexProjection(BottleneckOptions options, HypercomplexShared? shared, string position, long inputs, long outputs, Target target,
        Func<string, Tensor, Parameter> train, Func<string, Tensor, Parameter> freeze)
    {
        Tensor Zeros(long[] shape) => zeros(AdapterPlan.Allow(target.Device, shape), ScalarType.Float32, target.Device);
        rules = options.SharesRule ? shared!.Rules! : Hypercomplex.Rules(options, 0.01, 0.01, Zeros, options.TrainsRule ? train : freeze);
        factors = options.SharesWeights ? shared!.FactorsOf(position, inputs, outputs, target) : Hypercomplex.Factors(options, "W", inputs, outputs, target, Zeros, train);
        if (options.HypercomplexBias) bias = train("b", Zeros([outputs]));
    }

    public Tensor Apply(Tensor x)
    {
        var y = x.matmul(Hypercomplex.Sum(rules(), factors()));
        return bias is null ? y : y.add(bias, One);
    }
}
