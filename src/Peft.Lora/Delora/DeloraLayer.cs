namespace Peft.Lora;

/// <summary>
/// DeLoRA (Bini et al. 2025, arXiv:2503.18225): ΔW = (λ/r)·Σᵢ bᵢ·aᵢ/(‖aᵢ‖·‖bᵢ‖)·diag(n), with aᵢ the rows of A <c>[rank, in]</c>, bᵢ the
/// columns of B <c>[out, rank]</c>, and n <c>[in]</c> the norms of the weight's columns.
/// </summary>
internal sealed class DeloraLayer : FactoredLayer
{
    private readonly Parameter a, b, lambda, norms;

    public DeloraLayer(Target target, DeloraOptions options) : base(target, options.RankPattern.At(target.Path, options.Rank))
    {
        Dropout = options.Dropout;
        a = Trainable("delora_A", KaimingUniform(Rank, target.In));
        b = Trainable("delora_B", options.InitWeights ? Zeros(target.Out, Rank) : KaimingUniform(target.Out, Rank));
        lambda = Trainable("delora_lambda", Ones(1).mul(Constant(options.LambdaPattern.At(target.Path, options.Lambda))));
        norms = Frozen("delora_w_norm", Norm(target.ReadMatrix(TensorType), 0));
    }

    public override LowRankUpdate Factors()
    {
        // B is initialized to zero: the clamp avoids a division by its norm of 0.
        var scale = lambda.div(Constant(Rank)).div(Norm(a, 1).clamp_min(Constant(1e-4)).mul(Norm(b, 0).clamp_min(Constant(1e-4))));   // [rank]
        return new(a.mul(norms), b.mul(scale));
    }

    private static Tensor Norm(Tensor matrix, long dimension) => matrix.norm((int)dimension);
}
