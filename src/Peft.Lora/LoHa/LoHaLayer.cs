namespace Peft.Lora;

/// <summary>LoHa (Hyeon-Woo et al. 2021, arXiv:2108.06098): ΔW = s·(w1_a·w1_b)∘(w2_a·w2_b), with w_a <c>[out, rank]</c> and w_b <c>[rank, in]</c>.</summary>
internal sealed class LoHaLayer : LycorisLayer
{
    private readonly Factor first, second;
    private readonly bool exact;

    public LoHaLayer(Target target, LoHaOptions options) : base(target, options)
    {
        exact = options.ExactGradient;
        first = Make("hada_w1_a", "hada_w1_b", "hada_t1", zero: false);
        second = Make("hada_w2_a", "hada_w2_b", "hada_t2", zero: options.InitWeights);
    }

    public override Tensor Delta()
        => first.Core is null ? HadamardUpdate.Of(first.A, first.B, second.A, second.B, Scaling) : Product(first, second).mul(Product(second, first)).mul(Constant(Scaling));

    private Factor Make(string a, string b, string core, bool zero)
    {
        long[] shapeA = CoreShape is null ? [Target.Out, Rank] : [Rank, Target.Out];
        long[] shapeB = CoreShape is null ? [Rank, Target.In] : [Rank, Channels];
        return new Factor(
            Trainable(a, KaimingUniform(shapeA)),
            Trainable(b, zero ? Zeros(shapeB) : KaimingUniform(shapeB)),
            CoreShape is null ? null : Trainable(core, KaimingUniform(CoreShape)));
    }

    private Tensor Product(Factor factor, Factor other)
    {
        var product = exact ? Tucker(factor.Core!, factor.A, factor.B)
            : Tucker(factor.Core!, factor.A.detach(), factor.B).add(StraightThrough.Of(Tucker(other.Core!.detach(), factor.A, other.B.detach())), One);
        return product.reshape(Target.Out, Target.In);
    }

    private sealed record Factor(Parameter A, Parameter B, Parameter? Core);
}
