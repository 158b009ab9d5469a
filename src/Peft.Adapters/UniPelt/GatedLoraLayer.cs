namespace Peft.Adapters;

/// <summary>
/// LoRA with a gate (Mao et al. 2021, arXiv:2110.07577): y = W·x + g·B·A·x with A <c>[rank, in]</c>, B <c>[out, rank]</c> and g the mean of
/// σ(w·x + c) over the visible positions. The gate replaces LoRA's constant scaling.
/// </summary>
internal sealed class GatedLoraLayer : TransformLayer
{
    private readonly Parameter a, b, gate, offset;
    private readonly double dropout;

    public GatedLoraLayer(Target target, GatedLoraOptions options) : base(target)
    {
        dropout = options.Dropout;
        a = Trainable("lora_A", KaimingUniform(options.Rank, target.In));
        b = Trainable("lora_B", Zeros(target.Out, options.Rank));   // zero: the adapter is initialized as a no-op
        gate = Trainable("gate.weight", Normal(0.02, 1, target.In));
        offset = Trainable("gate.bias", Zeros(1));
    }

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var change = nn.functional.linear(nn.functional.linear(nn.functional.dropout(input, dropout, Training), a), b);
        return output.add(change.mul(PassPositions.MeanOfSeen(gate, nn.functional.linear(input, gate, offset).sigmoid())), One);
    }
}
