namespace Peft.Lora;

/// <summary>
/// LoRA on a parameter with a matrix per expert, <c>[experts, out, in]</c>: each expert gets its own ΔWₑ = s·Bₑ·Aₑ. Saved as in Hugging Face PEFT,
/// A as <c>[experts · rank, in]</c> and B as <c>[out, rank · experts]</c> with the expert as the fastest index.
/// </summary>
internal sealed class ExpertsLoraLayer : AdapterLayer
{
    private readonly Parameter a, b;
    private readonly long experts;
    private readonly double scaling;

    public ExpertsLoraLayer(Target target, LoraOptions options) : base(target)
    {
        if (options.Initialization != LoraInitialization.Default)
            throw new AdapterOptionsException($"{target} contains a matrix per expert, which Initialization '{options.Initialization}' does not support: leave it at the default.");
        experts = target.Storage.Shape[0];
        var rank = options.RankAt(target.Path);
        scaling = options.ScalingAt(target.Path);
        a = Trainable("lora_A.weight", KaimingUniform(rank * experts, target.In));
        b = Trainable("lora_B.weight", Zeros(target.Out, rank * experts));
    }

    protected override Tensor Forward(Tensor input, Inner inner) => inner.Forward(input);

    protected override Weights Merge(Weights inner)
    {
        var factors = b.view(Target.Out, -1, experts).permute(2, 0, 1).bmm(a.view(experts, -1, Target.In));
        return inner with { Weight = inner.Weight.add(factors, alpha: Constant(scaling)) };
    }
}
