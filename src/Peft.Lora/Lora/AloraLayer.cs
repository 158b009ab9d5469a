namespace Peft.Lora;

/// <summary>
/// Activated LoRA (Greenewald et al. 2025, arXiv:2504.12397): LoRA acts from the last invocation on. Keys and values cached for earlier positions are
/// those of the base model and can be reused with any adapter.
/// </summary>
internal sealed class AloraLayer(Target target, LoraOptions options, Invocation invocation) : LoraLayer(target, options)
{
    public override bool IsLowRank => false;

    protected override double CostPerPosition => 0;

    protected override Tensor Apply(Tensor input) => base.Apply(input).mul(invocation.Mask(input, Target));

    // Weights cannot depend on the position.
    protected override Weights? Merge(Weights inner) => null;
}
