namespace Peft.Lora;

/// <summary>
/// BD-LoRA (Wang et al. 2025, arXiv:2510.23346): LoRA with A = diag(A₁ … Aₙ) or B = diag(B₁ … Bₙ). The blocks are stored stacked by rows,
/// A as <c>[rank, in/n]</c> or B as <c>[out, rank/n]</c>.
/// </summary>
internal sealed class BdLoraLayer : LoraLayer
{
    private readonly int blocks;
    private readonly bool inA;

    private BdLoraLayer(Target target, LoraOptions options, int blocks, bool inA) : base(target, options, inA ? InitialA(target, options, blocks) : null, inA ? null : InitialB(target, options, blocks))
        => (this.blocks, this.inA) = (blocks, inA);

    public override Tensor MatrixA => inA ? Diagonal(A) : base.MatrixA;

    public override Tensor MatrixB => inA ? base.MatrixB : Diagonal(B);

    /// <summary>The layer for a target; a plain LoRA layer if the options name no factor for it.</summary>
    public static LoraLayer For(Target target, LoraOptions options, BdLoraOptions bdlora)
    {
        var (inA, inB) = (Named(bdlora.BlocksInA), Named(bdlora.BlocksInB));
        if (inA && inB) throw new AdapterOptionsException($"{target.Path} is named both by BlocksInA [{string.Join(", ", bdlora.BlocksInA!)}] and by BlocksInB [{string.Join(", ", bdlora.BlocksInB!)}]: only one factor can be block-diagonal.");
        if (inA || inB) return new BdLoraLayer(target, options, bdlora.Blocks, inA);
        if (bdlora.MatchStrict) throw new AdapterOptionsException($"{target.Path} is named neither by BlocksInA nor by BlocksInB: name it, or set MatchStrict to false to give it a plain LoRA.");
        return new LoraLayer(target, options);

        bool Named(IReadOnlyList<string>? parts) => parts?.Any(part => target.Path.Contains(part, StringComparison.Ordinal)) == true;
    }

    private Tensor Diagonal(Tensor stacked)
    {
        var (rows, columns) = (stacked.size(0), stacked.size(1));
        return stacked.view(blocks, rows / blocks, 1, columns).mul(eye(blocks, dtype: stacked.dtype, device: stacked.device).view(blocks, 1, blocks, 1)).view(rows, blocks * columns);
    }

    private static Tensor InitialA(Target target, LoraOptions options, int blocks)
    {
        var (rows, columns) = Cut(target, options.RankAt(target.Path), target.In, blocks);
        var bound = Math.Sqrt(6.0 / columns);   // Kaiming-uniform with a = 0, as in Hugging Face PEFT
        return empty(AdapterPlan.Allow(target.Device, rows, columns), ScalarType.Float32, target.Device).uniform_(-bound, bound);
    }

    private static Tensor InitialB(Target target, LoraOptions options, int blocks)
    {
        var (rows, columns) = Cut(target, target.Out, options.RankAt(target.Path), blocks);
        return zeros(AdapterPlan.Allow(target.Device, rows, columns), ScalarType.Float32, target.Device);
    }

    private static (long Rows, long Columns) Cut(Target target, long rows, long columns, int blocks)
        => rows % blocks == 0 && columns % blocks == 0 ? (rows, columns / blocks)
            : throw new AdapterOptionsException($"The factor [{rows}, {columns}] of {target.Path} cannot be split into {blocks} blocks: choose a number of Blocks that divides both dimensions, or another rank.");
}
