using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>A layer whose update is a product of two thin matrices, ΔW = B·A, which it makes anew in each pass.</summary>
internal abstract class FactoredLayer(Target target) : DeltaLayer(target)
{
    /// <summary>A <c>[rank, in]</c> and B <c>[out, rank]</c>, with all scaling in them.</summary>
    protected abstract (Tensor A, Tensor B) Factors();

    /// <summary>Rows of A.</summary>
    protected abstract long Rank { get; }

    public override Tensor Delta()
    {
        var (a, b) = Factors();
        return b.mm(a);
    }

    protected override double CostPerPosition => Drops ? 0 : Rank * (double)(Target.In + Target.Out);

    protected override Tensor Apply(Tensor input)
    {
        var (a, b) = Factors();
        return Target.ApplyFactors(Drop(input), a, b);
    }
}
