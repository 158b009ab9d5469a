namespace Peft.Lora;

/// <summary>
/// MiSS (Kang and Yin 2024, arXiv:2409.15371): ΔW[o, i] = D[i mod r, o mod m], with the shard D <c>[r, m]</c>. m is the output size except in the mini form.
/// </summary>
internal sealed class MissLayer : FactoredLayer
{
    private readonly Parameter shard, pieces;

    public MissLayer(Target target, MissOptions options) : base(target, options.Rank)
    {
        Dropout = options.Dropout;
        var width = options.Form == MissForm.Mini ? options.MiniRank : target.Out;
        if (target.Out % width != 0) throw new AdapterOptionsException($"MiniRank must divide the output size of each target, but was {width} for {target}.");
        shard = Trainable("miss_block", options.Form == MissForm.Random ? KaimingUniform(options.Rank, width) : Zeros(options.Rank, width));
        // The input is split into pieces of length r, which are added. The last one may be shorter.
        var count = (target.In + options.Rank - 1) / options.Rank;
        pieces = Frozen("miss_pieces", eye(options.Rank, dtype: TensorType, device: Device).repeat(1, count).narrow(1, 0, target.In).contiguous(), saved: false);
    }

    public override LowRankUpdate Factors() => new(pieces, shard.repeat(1, Target.Out / shard.size(1)).t());
}
