using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// BitFit (Ben Zaken et al. 2021, arXiv:2106.10199): the biases are trained, on a copy, and nothing else. Merges.
/// </summary>
/// <remarks>
/// Hugging Face PEFT has no method of this name, only the option <c>bias</c> of others. The file is of its form: the whole new bias of
/// each module as <c>base_model.model.&lt;path&gt;.bias</c>, which is where that option saves the bias of a module too.
/// </remarks>
[MethodDescription("BitFit", "b′ of the biases", "Ben Zaken et al. 2021, arXiv:2106.10199")]
[LearningRate(1e-3)]
[SupportedModules(ModuleKinds.All)]
public sealed record BitFitOptions() : TargetedOptions("BITFIT")
{
    /// <inheritdoc/>
    protected override ModuleSelector? DefaultTargets(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        string[] biased = [.. model.Targets.Where(target => target.Bias is not null).Select(target => target.Path)];
        return biased.Length > 0 ? biased
            : throw new TargetNotFoundException($"No module of {model.Model.GetType().Name} has a bias, so BitFit has nothing to train. Use BEFT, which adds biases, or another method.");
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(targets);
        if (targets.FirstOrDefault(target => target.Bias is null) is { } bare)
            throw new AdapterOptionsException($"{bare} has no bias for BitFit to train: take it out of TargetModules, or use BEFT, which adds biases.");
        return ([.. targets.Select(target => new BiasLayer(target, "bias"))], null);
    }
}
