namespace Peft.Lora;

/// <summary>
/// Lily (Zhong et al. 2024, arXiv:2407.09946): y = W·x + s·(Σₑ pₑ·Bₑ)ᵀ·A·x with A <c>[rank, in]</c> and experts B <c>[experts·rank, out]</c>.
/// p is the router's softmax over A·x, averaged over all positions.
/// </summary>
internal sealed class LilyLayer : TransformLayer, IMixesPositions
{
    private readonly Parameter a, b, router;
    private readonly double scaling;

    /// <param name="target">The adapted module.</param>
    /// <param name="options">The options.</param>
    /// <param name="ownerOfA">The layer whose A this layer shares; null to create A.</param>
    /// <param name="ownerOfB">The layer whose experts this layer shares; null to create the experts.</param>
    public LilyLayer(Target target, LilyOptions options, LilyLayer? ownerOfA, LilyLayer? ownerOfB) : base(target)
    {
        scaling = options.Scaling;
        a = ownerOfA is null ? Trainable("lily_A.weight", KaimingUniform(options.Rank, target.In)) : Shared("lily_A.weight", ownerOfA.a, saved: true);
        long[] shape = [options.Experts * options.Rank, target.Out];
        b = ownerOfB is null ? Trainable("lily_B.weight", options.InitWeights ? Zeros(shape) : KaimingUniform(shape)) : Shared("lily_B.weight", ownerOfB.b, saved: true);
        router = Trainable("lily_router.weight", KaimingUniform(options.Experts, options.Rank));
    }

    protected override bool DependsOnBatch => true;

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var (rank, experts) = (a.size(0), router.size(0));
        var hidden = nn.functional.linear(input.to_type(a.dtype), a);
        var probabilities = nn.functional.linear(hidden, router).softmax(-1).reshape(-1, experts).mean([0]);
        var mixed = probabilities.unsqueeze(0).mm(b.view(experts, -1)).view(rank, -1).mul(Constant(scaling));   // [rank, out]
        return output.add(hidden.matmul(mixed).to_type(output.dtype), One);
    }
}
