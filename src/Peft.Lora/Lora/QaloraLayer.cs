namespace Peft.Lora;

/// <summary>
/// QA-LoRA (Xu et al. 2023, arXiv:2309.14717) as Hugging Face PEFT has it: LoRA of pooled inputs, y = f(x) + s·B·A·p with p <c>[groups]</c> the mean of x over each group of inputs, times the
/// number of groups. A is <c>[rank, groups]</c>. All inputs of a group have the same update.
/// </summary>
internal sealed class QaloraLayer(Target target, LoraOptions options) : LoraLayer(target, options, InitialA(target, options), null)
{
    private readonly int size = options.QaloraGroupSize;

    public override Tensor MatrixA => A.repeat_interleave(size, 1).mul(Constant((double)A.shape[1] / size));

    protected override Tensor Reduce(Tensor input)
    {
        var groups = A.shape[1];
        var pooled = input.reshape([.. input.shape[..^1], groups, size]).sum(dim: -1).mul(Constant((double)groups / size));
        return nn.functional.linear(pooled, A);
    }

    // As LoRA's default for [rank, in], and so as Hugging Face PEFT initializes a linear module of the smaller size.
    private static Tensor InitialA(Target target, LoraOptions options)
    {
        var size = options.QaloraGroupSize;
        if (target.In % size != 0) throw new AdapterOptionsException($"{target.Path} has {target.In} inputs, which are no whole groups of {size} (QaloraGroupSize): choose a divisor, or leave it out of TargetModules.");
        var (rank, groups) = (options.RankAt(target.Path), target.In / size);
        AdapterPlan.Allow(target.Device, rank, groups);
        var bound = 1 / Math.Sqrt(groups);
        return empty(rank, groups, ScalarType.Float32, target.Device).uniform_(-bound, bound);
    }
}
