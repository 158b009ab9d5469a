namespace Peft.Lora;

/// <summary>
/// Poly (Ponti et al. 2022, arXiv:2202.13914): y = W·x + B(t)·A(t)·x/r for a row of task t, where A(t) = Σₛ αₜₛ·Aₛ and B(t) likewise mix the skills'
/// factors. α = σ(Z), normalized to a sum of 1 per task. With splits, each part of the channels has its own α. In training, α is sampled from a
/// relaxed Bernoulli distribution with logits Z at temperature 1.
/// </summary>
internal sealed class PolyLayer : TransformLayer
{
    private readonly Parameter a, b, logits;   // [splits, skills, in/splits, rank], [splits, skills, rank, out/splits], [tasks, splits · skills]
    private readonly Func<Tensor?> tasks;
    private readonly int taskCount;

    public PolyLayer(Target target, PolyOptions options, Func<Tensor?> tasks) : base(target)
    {
        var (rank, skills, splits) = (options.Rank, options.SkillCount, options.SplitCount);
        if (target.In % splits != 0 || target.Out % splits != 0) throw new AdapterOptionsException($"SplitCount is {splits}, which does not divide the input and output size of {target}: choose a divisor, or exclude the module.");
        (this.tasks, taskCount) = (tasks, options.TaskCount);
        // Each skill is initialized like a separate linear module.
        a = Trainable("poly_lora_A", Uniform(1 / Math.Sqrt(target.In / splits), splits, skills, target.In / splits, rank));
        long[] shape = [splits, skills, rank, target.Out / splits];
        b = Trainable("poly_lora_B", options.InitWeights ? Zeros(shape) : Uniform(1 / Math.Sqrt(rank), shape));
        logits = Trainable("poly_router.module_logits", Uniform(1e-3, taskCount, splits * skills));
    }

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var (splits, skills, rank) = (a.size(0), a.size(1), a.size(3));
        var ids = ForwardPass.SelectRows(TaskIds.Require(tasks(), taskCount, logits.device));
        if (ids.size(0) != 1 && ids.size(0) != input.size(0)) throw new PeftException($"{ids.size(0)} rows have task ids, but {Target.Path} got {input.size(0)} rows.");
        var mixture = MixtureWeights(logits.index_select(0, ids).view(-1, splits, skills));
        var down = einsum("bqs,qsdr->bqdr", mixture, a).reshape(-1, Target.In, rank);                      // [rows or 1, in, rank]
        var up = einsum("bqs,qsrd->bqrd", mixture, b).transpose(1, 2).reshape(-1, rank, Target.Out);       // [rows or 1, rank, out]
        var x = input.dim() == 2 ? input.unsqueeze(1) : input.reshape(input.size(0), -1, Target.In);
        return output.add(x.matmul(down).matmul(up).div(Constant(rank)).view(output.shape), One);
    }

    private Tensor MixtureWeights(Tensor chosen)
    {
        var open = (Training ? chosen.add(rand_like(chosen).logit(1e-7), One) : chosen).sigmoid();
        return open.div(open.sum(-1, keepdim: true).add(Constant(1e-12), One));
    }
}
