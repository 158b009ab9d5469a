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

    /// <summary>The biases that a method's option <c>bias</c> trains beside its own tensors.</summary>
    /// <param name="option"><c>none</c>, <c>all</c> for every bias of the model, or else (<c>lora_only</c>, …) those of the adapted modules.</param>
    /// <param name="targets">The adapted modules.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The method's options: modules that they train whole have their bias there.</param>
    public static IEnumerable<AdapterLayer> For(string option, IReadOnlyList<Target> targets, ModelTree model, TargetedOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(option);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        if (targets.Contains(null!)) throw new ArgumentException("There is a target that is null.", nameof(targets));
        return (option switch { "none" => [], "all" => model.Targets, _ => targets })
            .Where(target => target.Bias is not null && !model.IsTrainedWhole(options, target)).Select(target => new BiasLayer(target, targets.Contains(target) ? "base_layer.bias" : "bias"));
    }

    internal override bool ChangesWeight => false;

    /// <inheritdoc/>
    protected override Weights Reweight(Weights inner) => inner with { Bias = bias };
}
