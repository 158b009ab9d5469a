namespace Peft.Lora;

/// <summary>
/// MiSS (Kang and Yin 2024, arXiv:2409.15371): ΔW[o, i] = D[i mod r, o mod m], with the shard D <c>[r, m]</c>. m is the output size except in the mini form.
/// </summary>
internal sealed class MissLayer : DeltaLayer
{
    private readonly Parameter shard;

    public MissLayer(Target target, MissOptions options) : base(target)
    {
        Dropout = options.Dropout;
        var width = options.Form == MissForm.Mini ? options.MiniRank : target.Out;
        if (target.Out % width != 0) throw new AdapterOptionsException($"MiniRank must divide the output size of each target, but was {width} for {target}.");
        shard = Trainable("miss_block", options.Form == MissForm.Random ? KaimingUniform(options.Rank, width) : Zeros(options.Rank, width));
    }

    private long Rank => shard.size(0);

    // Number of pieces of length r that the input is split into. The last piece may be shorter.
    private long Pieces => (Target.In + Rank - 1) / Rank;

    private Tensor Shard() => shard.repeat(1, Target.Out / shard.size(1));   // [r, out]

    public override Tensor Delta() => Shard().t().repeat(1, Pieces).narrow(1, 0, Target.In);

    protected override double MultiplyCost => Target.In + Rank * (double)Target.Out;

    protected override Tensor? Multiply(Tensor input)
    {
        var whole = Target.In % Rank == 0 ? input : nn.functional.pad(input, [0, Pieces * Rank - Target.In]);
        return whole.reshape([.. input.shape[..^1], Pieces, Rank]).sum(dim: -2).matmul(Shard());
    }
}
