namespace Peft;

/// <summary>
/// BitFit (Ben Zaken et al. 2021, arXiv:2106.10199): trains copies of the biases and nothing else. Mergeable.
/// </summary>
/// <remarks>
/// Hugging Face PEFT has no such method, only the option <c>bias</c> of other methods. The file uses the same keys as that option: the new bias
/// of each module is <c>base_model.model.&lt;path&gt;.bias</c>.
/// </remarks>
[MethodDescription("BitFit", "b′ for each bias b", "Ben Zaken et al. 2021, arXiv:2106.10199")]
[LearningRate(1e-3)]
[SupportedModules(ModuleKinds.All)]
public sealed record BitFitOptions() : TargetedOptions("BITFIT")
{
    protected override ModuleSelector? DefaultTargets(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        string[] biased = [.. model.Targets.Where(target => target.Bias is not null).Select(target => target.Path)];
        return biased.Length > 0 ? biased
            : throw new TargetNotFoundException($"No module of {model.Model.GetType().Name} has a bias, so BitFit has nothing to train. Use BEFT, which adds biases, or another method.");
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(targets);
        if (targets.FirstOrDefault(target => target.Bias is null) is { } bare)
            throw new AdapterOptionsException($"{bare} has no bias for BitFit to train: remove it from TargetModules, or use BEFT, which adds biases.");
        return ([.. targets.Select(target => new BiasLayer(target, "bias"))], null);
    }
}
