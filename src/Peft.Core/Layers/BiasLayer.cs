using TorchSharp.Modules;

namespace Peft;

/// <summary>Trains only the bias of a module, as a copy (<c>bias</c> = <c>all</c> or <c>lora_only</c>; BitFit, Ben Zaken et al. 2021, arXiv:2106.10199).</summary>
public sealed class BiasLayer : ReweightLayer
{
    private readonly Parameter bias;

    /// <summary>Creates the layer for a module with a bias.</summary>
    /// <param name="target">The module.</param>
    /// <param name="name">Saved name: <c>base_layer.bias</c> if another layer of the adapter also wraps the module; otherwise <c>bias</c>.</param>
    public BiasLayer(Target target, string name) : base(target)
        => bias = Trainable(name, target.Bias?.detach().clone() ?? throw new ArgumentException($"{target} has no bias.", nameof(target)));

    /// <summary>Creates layers for the biases that a method's option <c>bias</c> trains in addition to its own tensors.</summary>
    /// <param name="option"><c>none</c>, <c>all</c> for every bias of the model, or another value (<c>lora_only</c>, …) for those of the adapted modules.</param>
    /// <param name="targets">The adapted modules.</param>
    /// <param name="model">The model.</param>
    /// <param name="options">The method's options. Modules in <c>modules_to_save</c> are skipped, since their biases are already trained.</param>
    public static IEnumerable<AdapterLayer> For(string option, IReadOnlyList<Target> targets, ModelTree model, TargetedOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(option);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        if (targets.Contains(null!)) throw new ArgumentException("A target is null.", nameof(targets));
        var own = (option switch { "none" => [], "all" => model.Targets, _ => targets })
            .Where(target => target.Bias is not null && !model.IsTrainedWhole(options, target)).Select(target => new BiasLayer(target, targets.Contains(target) ? "base_layer.bias" : "bias"));
        if (option != "all") return own;
        // Those of modules that are not targets.
        return [.. own, .. model.LooseParameters((module, path) => (path == "bias" || path.EndsWith(".bias", StringComparison.Ordinal)) && !model.IsTrainedWhole(options, module))
            .Select(target => new FullLayer(target, trainsWeight: true, trainsBias: false, tiedTo: null))];
    }

    internal override bool ChangesWeight => false;

    /// <inheritdoc/>
    protected override Weights Reweight(Weights inner) => inner with { Bias = bias };
}
