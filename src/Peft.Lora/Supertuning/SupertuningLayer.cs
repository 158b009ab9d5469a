namespace Peft.Lora;

/// <summary>
/// Super-tuning (arXiv:2607.09287): ΔW is zero except for trained values at fixed indices, those of the weight's largest elements, plus (α/r)·B·A
/// of an optional LoRA.
/// </summary>
internal sealed class SupertuningLayer : DeltaLayer
{
    private readonly Parameter values, indices;
    private readonly Parameter? a, b;
    private readonly double scaling;

    public SupertuningLayer(Target target, SupertuningOptions options) : base(target)
    {
        var count = (long)(target.In * target.Out * (1 - options.Sparsity));
        if (count < 1) throw new AdapterOptionsException($"Sparsity {options.Sparsity} leaves no elements of {target} to train. Lower it.");
        Dropout = options.Rank is null ? 0 : options.Dropout;
        values = Trainable("supertuning_values", options.InitWeights ? Zeros(count) : Normal(1, count));
        indices = Frozen("supertuning_indices", Computed(() => Chosen((int)count, options.TrainsLargest), count).to_type(ScalarType.Int32), options.SaveIndices);
        if (options.Rank is not { } rank) return;
        scaling = (options.Alpha ?? 2 * rank) / rank;
        a = Trainable("supertuning_lora_A.weight", KaimingUniform(rank, target.In));
        b = Trainable("supertuning_lora_B.weight", options.InitWeights ? Zeros(target.Out, rank) : KaimingUniform(target.Out, rank));
    }

    private Tensor Chosen(int count, bool largest) => Target.ReadMatrix().abs().reshape(-1).topk(count, largest: largest).indexes;

    public override Tensor Delta() => a is null ? Sparse() : Sparse().add(b!.mm(a).mul(Constant(scaling)), One);

    // Dropout applies to the LoRA only.
    protected override Tensor Apply(Tensor input)
        => Drops ? Target.Apply(input, Sparse()).add(Target.ApplyFactors(Drop(input), a!, b!).mul(Constant(scaling)), One) : base.Apply(input);

    private Tensor Sparse()
        => zeros(Target.Out * Target.In, values.dtype, values.device).scatter(0, indices.to_type(ScalarType.Int64), values).view(Target.Out, Target.In);
}
