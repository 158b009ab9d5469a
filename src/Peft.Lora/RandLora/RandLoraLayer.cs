namespace Peft.Lora;

/// <summary>
/// RandLoRA (Albert et al. 2025, arXiv:2502.00987): ΔW = s·Σⱼ Bⱼ·diag(λⱼ)·A·diag(γⱼ), with λ <c>[rank, bases]</c> and γ
/// <c>[bases, smaller]</c>; transposed if the weight has more columns than rows.
/// </summary>
internal sealed class RandLoraLayer : FactoredLayer
{
    private readonly Parameter lambda, gamma, baseA, baseB;
    private readonly double scaling;

    public RandLoraLayer(Target target, RandLoraOptions options, RandLoraBases shared) : base(target, (long)options.Rank * RandLoraBases.Count(Math.Min(target.In, target.Out), options.Rank))
    {
        var (small, large, count) = (Math.Min(target.In, target.Out), Math.Max(target.In, target.Out), Rank / options.Rank);
        Dropout = options.Dropout;
        scaling = options.Alpha / options.Rank;
        lambda = Trainable("randlora_lambda", options.InitWeights ? Zeros(options.Rank, count) : Normal(1, options.Rank, count));
        gamma = Trainable("randlora_gamma", Ones(count, small).div(Constant(options.InitWeights ? Math.Max(count, small) : large)));
        // Hugging Face PEFT saves the bases once per layer.
        baseA = Shared("randlora_A", shared.A, options.SaveProjection);
        baseB = Shared("randlora_B", shared.B, options.SaveProjection);
    }

    public override LowRankUpdate Factors()
    {
        var (rank, count, small) = (lambda.size(0), lambda.size(1), gamma.size(1));
        var a = lambda.mul(Constant(scaling)).unsqueeze(2).mul(baseA.narrow(2, 0, small)).mul(gamma).reshape(rank * count, small);
        var b = baseB.narrow(0, 0, Math.Max(Target.In, Target.Out)).narrow(1, 0, count).reshape(-1, rank * count);
        return small == Target.In ? new(a, b) : new(b.t(), a.t());
    }
}
