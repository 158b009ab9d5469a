namespace Peft.Lora;

/// <summary>
/// The "bat" form of MiSS (Kang and Yin 2024, arXiv:2409.15371): W′ = W + W·D + D in blocks of r × r, with one block of D
/// <c>[out/r, r, r]</c> for each block of rows.
/// </summary>
internal sealed class BatLayer : ReweightLayer
{
    private readonly Parameter blocks;

    public BatLayer(Target target, MissOptions options) : base(target)
    {
        if (target.In % options.Rank != 0 || target.Out % options.Rank != 0)
            throw new AdapterOptionsException($"The form 'bat' splits weights into blocks of Rank × Rank, but {options.Rank} does not divide the input and output size of {target}.");
        blocks = Trainable("miss_block", Zeros(target.Out / options.Rank, options.Rank, options.Rank));
    }

    protected override Weights Reweight(Weights inner)
    {
        var r = blocks.size(1);
        var cut = inner.Weight.reshape(Target.Out / r, r, Target.In / r, r).permute(2, 0, 1, 3);        // [in/r, out/r, r, r]
        var added = cut.matmul(blocks).add(blocks, One).permute(1, 2, 0, 3).reshape(Target.Out, Target.In);
        return inner with { Weight = inner.Weight.add(added, One) };
    }
}
