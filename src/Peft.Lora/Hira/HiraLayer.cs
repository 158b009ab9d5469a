namespace Peft.Lora;

/// <summary>
/// HiRA (Huang et al. 2025, openreview TwJrTz9cRS): ΔW = W∘(B·A), with the module's base weight W, A <c>[rank, in]</c> and B
/// <c>[out, rank]</c>.
/// </summary>
internal sealed class HiraLayer : DeltaLayer
{
    private readonly Parameter a, b;
    private readonly int rank;

    public HiraLayer(Target target, HiraOptions options) : base(target)
    {
        Dropout = options.Dropout;
        rank = options.Rank;
        var (random, gaussian) = (options.Initialization == HiraInitialization.Random, options.Initialization == HiraInitialization.Gaussian);
        var (shapeA, shapeB) = (target.InputFactorShape(rank), target.OutputFactorShape(rank));
        // For an embedding, A is the zero factor: looking up rows of zeros makes the adapter a no-op.
        var (startA, startB) = random ? (Normal(1, shapeA), Normal(1, shapeB))
            : target.IsLookup ? (Zeros(shapeA), Normal(1, shapeB))
            : (gaussian ? Normal(1.0 / rank, shapeA) : KaimingUniform(shapeA), Zeros(shapeB));
        a = Trainable(target.FactorName("hira", "A"), startA);
        b = Trainable(target.FactorName("hira", "B"), startB);
    }

    public override Tensor Delta() => Target.ReadMatrix(TensorType).mul(b.view(-1, rank).mm(a.view(rank, -1)));
}
