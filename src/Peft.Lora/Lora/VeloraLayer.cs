namespace Peft.Lora;

/// <summary>
/// VeLoRA (Miles et al. 2024, arXiv:2405.17991): LoRA whose gradient of A is computed from x̂ instead of x. x is split into groups of d elements, each
/// projected onto one unit vector v <c>[d]</c>: x̂ = scale·(x·v)·vᵀ.
/// </summary>
internal sealed class VeloraLayer : LoraLayer
{
    private readonly VeloraOptions velora;
    private readonly Parameter direction;
    private bool known;

    public VeloraLayer(Target target, LoraOptions options, VeloraOptions velora) : base(target, options)
    {
        this.velora = velora;
        var size = (target.In + velora.Groups - 1) / velora.Groups;
        known = velora.Direction == "random";
        direction = State("lora_velora_embed", known ? Unit(Normal(1, size)) : Zeros(size), saved: true);
    }

    public override bool IsLowRank => !Approximates && base.IsLowRank;

    // Folding into the weight would compute A's gradient from x itself.
    protected override double CostPerPosition => Approximates ? 0 : base.CostPerPosition;

    // The direction is computed from the batches.
    protected override bool DependsOnBatch => velora.Direction == "batch_average" || !known;

    protected override Tensor Reduce(Tensor input)
    {
        if (!Approximates) return base.Reduce(input);
        var projected = Project(input.detach());
        // x̂·Aᵀ by groups: autograd saves only these projections of the input. x·Aᵀ with a detached A saves none of it.
        var learned = projected.matmul(Groups(MatrixA).matmul(Direction).t()).mul(Constant(velora.Scale));
        return Target.Apply(input, MatrixA.detach()).add(StraightThrough.Of(learned), One);
    }

    protected override void Loaded()
    {
        base.Loaded();
        if (velora.Direction == "batch_average_once") known = direction.count_nonzero().item<long>() > 0;
    }

    private bool Approximates => Training && is_grad_enabled();

    // A copy: the next forward pass may change the direction before this one's backward pass.
    private Tensor Direction => direction.clone();

    private Tensor Project(Tensor input)
    {
        using var _ = no_grad();
        var groups = Groups(input);
        if (!known) direction.copy_(Unit(groups.reshape(-1, direction.numel()).mean([0])));
        known = velora.Direction != "batch_average";
        return groups.matmul(direction);
    }

    // [..., in] as [..., groups, size], zero-padded at the end if the input size is not divisible.
    private Tensor Groups(Tensor x)
    {
        var missing = velora.Groups * direction.numel() - x.size(-1);
        return (missing == 0 ? x : nn.functional.pad(x, (0, missing))).reshape([.. x.shape[..^1], velora.Groups, direction.numel()]);
    }

    private static Tensor Unit(Tensor vector)
    {
        var length = vector.norm();
        return length.item<float>() == 0 ? ones_like(vector).div(Constant(Math.Sqrt(vector.numel()))) : vector.div(length);
    }
}
