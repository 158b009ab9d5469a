using TorchSharp.Modules;

namespace Peft;

/// <summary>A module whose bias alone is trained, on a copy (<c>bias</c> = <c>all</c> or <c>lora_only</c>; BitFit, Ben Zaken et al. 2021, arXiv:2106.10199).</summary>
public sealed class BiasLayer : ReweightLayer
{
    private readonly Parameter bias;

    /// <summary>Enters a module that has a bias.</summary>
    /// <param name="target">The module.</param>
    /// <param name="name">Saved name: <c>base_layer.bias</c> where another layer of the adapter enters the module too, else <c>bias</c>.</param>
    public BiasLayer(Target target, string name) : base(target)
        => bias = Trainable(name, target.Bias?.detach().clone() ?? throw new ArgumentException($"{target} has no bias.", nameof(target)));

    /// <inheritdoc/>
    protected override Weights Reweight(Weights inner) => inner with { Bias = bias };
}
