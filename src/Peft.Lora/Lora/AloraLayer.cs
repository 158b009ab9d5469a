using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>
/// Activated LoRA (Greenewald et al. 2025, arXiv:2504.12397): LoRA on the positions from the last invocation on, and nothing before it. What a cache
/// holds of the text before is the base model's, and serves any adapter.
/// </summary>
internal sealed class AloraLayer(Target target, LoraOptions options, Invocation invocation) : LoraLayer(target, options)
{
    protected override double CostPerPosition => 0;

    protected override Tensor Apply(Tensor input) => base.Apply(input).mul(invocation.Mask(input, Target));

    // No weight tells positions apart.
    protected override Weights? Merge(Weights inner) => null;
}
