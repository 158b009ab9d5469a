namespace Peft.Lora;

/// <summary>
/// QA-LoRA (Xu et al. 2023, arXiv:2309.14717) as in Hugging Face PEFT: LoRA on pooled inputs, y = f(x) + s·B·A·p, where p <c>[groups]</c> is the mean of x over each group of inputs, times the
/// number of groups. A is <c>[rank, groups]</c>. All inputs of a group have the same update.
/// </summary>
internal sealed class QaloraLayer(Target target, LoraOptions options) : LoraLayer(target, options, InitialA(target, options), null)
{
    private readonly int size = options.QaloraGroupSize;

    public override Tensor MatrixA => A.repeat_interleave(size, 1).mul(Constant((double)A.size(1) / size));

    protected override Tensor Reduce(Tensor input)
    {
        var groups = A.size(1);
        var pooled = input.reshape([.. input.shape[..^1], groups, size]).sum(dim: -1).mul(Constant((double)groups / size));
        return nn.functional.linear(pooled, A);
    }

    // LoRA's default initialization for a linear module with one input per group, as in Hugging Face PEFT.
    private static Tensor InitialA(Target target, LoraOptions options)
    {
        var size = options.QaloraGroupSize;
        if (target.In % size != 0) throw new AdapterOptionsException($"{target.Path} has {target.In} inputs, which QaloraGroupSize {size} does not divide: choose a divisor, or leave the module out of TargetModules.");
        var (rank, groups) = (options.RankAt(target.Path), target.In / size);
        AdapterPlan.Allow(target.Device, rank, groups);
        var bound = 1 / Math.Sqrt(groups);
        return empty(rank, groups, ScalarType.Float32, target.Device).uniform_(-bound, bound);
    }
}
