namespace Peft.Lora;

/// <summary>VeRA (Kopiczko et al. 2023, arXiv:2310.11454): ΔW = diag(b)·B·diag(d)·A, with A and B shared by all layers.</summary>
internal sealed class VeraLayer : FactoredLayer
{
    private readonly Parameter b, d;
    private readonly SharedProjections shared;

    public VeraLayer(Target target, VeraOptions options, SharedProjections shared) : base(target, options.Rank)
    {
        this.shared = shared;
        Dropout = options.Dropout;
        b = Trainable("vera_lambda_b", options.InitWeights ? Zeros(target.Out) : Ones(target.Out));
        d = Trainable("vera_lambda_d", options.InitWeights ? Ones(options.Rank).mul(Constant(options.InitialD)) : Normal(1, options.Rank));
    }

    public override LowRankUpdate Factors()
        => new(d.unsqueeze(1).mul(shared.A.narrow(1, 0, Target.In)), b.unsqueeze(1).mul(shared.B.narrow(0, 0, Target.Out)));
}
