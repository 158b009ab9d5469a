namespace Peft.Lora;

/// <summary>
/// PVeRA (arXiv:2512.07703): y = W·x + diag(b)·B·z with z normally distributed. Its mean and log-variance are the two halves of diag(d)·A·x.
/// ΔW uses the mean.
/// </summary>
internal sealed class PveraLayer : FactoredLayer
{
    private readonly Parameter b, d;
    private readonly SharedProjections shared;
    private readonly bool always;

    public PveraLayer(Target target, PveraOptions options, SharedProjections shared) : base(target, options.Rank)
    {
        (this.shared, always) = (shared, options.SampleAtInference);
        Dropout = options.Dropout;
        b = Trainable("pvera_lambda_b", options.InitWeights ? Zeros(target.Out) : Ones(target.Out));
        d = Trainable("pvera_lambda_d", options.InitWeights ? Ones(options.Rank * 2).mul(Constant(options.InitialD)) : Normal(1, options.Rank * 2));
    }

    private bool Samples => Training || always;

    public override bool IsLowRank => !Samples;

    public override LowRankUpdate Factors() => new(Half(0), b.unsqueeze(1).mul(shared.B.narrow(0, 0, Target.Out)));

    protected override double CostPerPosition => Samples ? 0 : base.CostPerPosition;

    protected override Tensor Apply(Tensor input)
    {
        if (!Samples) return base.Apply(input);
        var x = Drop(input);
        var (a, output, _) = Factors();
        var mean = Target.Apply(x, a);
        var deviation = Target.Apply(x, Half(Rank)).mul(Constant(0.5)).exp();
        return Target.Expand(mean.add(deviation.mul(randn_like(deviation)), One), output);
    }

    private Tensor Half(long from) => d.narrow(0, from, Rank).unsqueeze(1).mul(shared.A.narrow(0, from, Rank).narrow(1, 0, Target.In));
}
