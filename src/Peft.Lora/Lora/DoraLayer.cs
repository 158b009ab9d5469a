namespace Peft.Lora;

/// <summary>
/// DoRA's magnitude (Liu et al. 2024, arXiv:2402.09353): W′ = m·V/‖V‖ with m <c>[out]</c>. The layer wraps the LoRA layer, so V = W + s·B·A is its
/// inner weight. The norm of each row is a constant in the backward pass.
/// </summary>
internal sealed class DoraLayer : ReweightLayer, IScales
{
    private readonly Parameter magnitude;

    public DoraLayer(Target target, LoraLayer lora) : base(target)
        => magnitude = Trainable("lora_magnitude_vector",
            RowNorms(target.ReadMatrix(TensorType).add(lora.Delta(), One)).reshape(target.OutputVectorShape));

    protected override double CostPerPosition => Target.Out;

    protected override Weights Reweight(Weights inner) => inner with { Weight = inner.Weight.mul(Gain(inner.Weight).unsqueeze(1)) };

    // Scaling the output needs fewer operations than scaling the weight's rows. The bias is not scaled.
    protected override Tensor Forward(Tensor input, Inner inner)
    {
        var (weight, bias) = inner.Weights;
        var output = inner.Forward(input);
        var gain = Target.AlongOutput(Gain(weight).to_type(output.dtype));
        if (bias is null) return output.mul(gain);
        var offset = Target.AlongOutput(bias.to_type(output.dtype));
        return output.sub(offset).mul(gain).add(offset, One);
    }

    // The bias is not scaled.
    public ChannelScales Scales(LowRankUpdate? inner) => new(null, magnitude.reshape(-1).div(RowNorms(Target.ReadMatrix(TensorType), inner!)), Target.Bias);

    private Tensor Gain(Tensor weight) => magnitude.reshape(-1).div(RowNorms(weight));   // [out]

    // ‖W + s·B·A‖² = ‖W‖² + 2s·⟨W·Aᵀ, B⟩ + s²·⟨B·A·Aᵀ, B⟩ for each row: no matrix of the weight's size is written.
    private static Tensor RowNorms(Tensor weight, LowRankUpdate update)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (a, b, scale) = update;
        var cross = weight.mm(a.t()).mul(b).sum(dim: 1);
        var own = b.mm(a.mm(a.t())).mul(b).sum(dim: 1);
        return weight.norm(1).square().add(cross, alpha: Constant(2 * scale)).add(own, alpha: Constant(scale * scale)).clamp_min(Constant(0)).sqrt().MoveToOuterDisposeScope();
    }

    private static Tensor RowNorms(Tensor weight)
    {
        using var _ = no_grad();
        return weight.detach().norm(1);
    }
}
