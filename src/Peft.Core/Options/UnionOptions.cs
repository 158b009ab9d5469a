using System.Text.Json.Serialization;

[assembly: Peft.AdapterMethod("UNION", typeof(Peft.UnionOptions))]

namespace Peft;

/// <summary>
/// Combines several methods in one adapter, which is trained, saved and activated as a unit. A mix-and-match adapter is a prefix with parallel bottlenecks (He
/// et al. 2021, arXiv:2110.04366).
/// </summary>
/// <remarks>
/// Hugging Face PEFT has no such method. The file contains the configurations of the parts under <c>configs</c>, and the tensors of all parts under their usual
/// keys. A module that several parts train fully, such as the head of a classifier, is trained and saved once.
/// </remarks>
[MethodDescription("Union", "several methods as one", "He et al. 2021, arXiv:2110.04366")]
public sealed record UnionOptions : AdapterOptions, IChoosesLearningRate
{
    /// <summary>Creates options without parts.</summary>
    public UnionOptions() : base("UNION") { }

    /// <summary>The combined methods. Those that adapt the same module are ordered from the innermost to the outermost.</summary>
    [JsonPropertyName("configs")] public IReadOnlyList<AdapterOptions> Parts { get; init; } = [];

    LearningRateAttribute IChoosesLearningRate.LearningRate => new(Parts.Select(part => part.RecommendedLearningRate).DefaultIfEmpty(1e-4).Min());

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors()
        => Parts.Count == 0 ? ["Parts must contain at least one method, but is empty."] : Parts.SelectMany(part => part.AllErrors().Select(error => $"{part.PeftType}: {error}"));

    /// <inheritdoc/>
    protected internal override AdapterPlan Plan(ModelTree model)
    {
        var plans = Parts.Select(part => (part with { InferenceMode = part.InferenceMode || InferenceMode }).Plan(model)).ToList();
        var shared = plans.Select(plan => plan.Shared).OfType<SharedTensors>().ToList();
        var prompts = plans.Select(plan => plan.Prompt).OfType<PromptLayer>().ToList();
        var layers = WithoutRepeatedModules([.. plans.SelectMany(plan => plan.Layers)]);
        var twice = layers.SelectMany(layer => layer.Tensors.Where(tensor => tensor.IsSaved).Select(tensor => Adapter.KeyOf(layer.Target, tensor.Name))).GroupBy(key => key).FirstOrDefault(group => group.Count() > 1)?.Key;
        if (shared.Count < 2 && prompts.Count < 2 && twice is null) return new AdapterPlan(this with { Parts = [.. plans.Select(plan => plan.Options)] }, layers, shared.SingleOrDefault(), prompts.SingleOrDefault());
        foreach (var each in layers.Concat<TensorOwner>(shared).Concat(prompts)) each.Dispose();
        throw new AdapterOptionsException(twice is not null
            ? $"Two parts of the union save a tensor as {twice}. Let them adapt different modules, or make them separate adapters."
            : $"Two parts of the union have {(prompts.Count > 1 ? "virtual tokens" : "tensors that their layers share")}, but a file can contain only one such set. Make one of them a separate adapter.");
    }

    // Every part plans the head of a classifier; the union trains and saves it once. Of several layers, the one stays whose weight tied modules use.
    private static List<AdapterLayer> WithoutRepeatedModules(IReadOnlyList<AdapterLayer> layers)
    {
        var whole = layers.OfType<FullLayer>().ToList();
        var kept = whole.GroupBy(layer => (layer.Target, layer.Tensors[0].Name)).Select(same => same.MaxBy(layer => (whole.Count(layer.HasWeightOf), layer.Tensors.Count))!).ToHashSet<AdapterLayer>();
        foreach (var layer in whole.Where(layer => !kept.Contains(layer))) layer.Dispose();
        return [.. layers.Where(layer => layer is not FullLayer || kept.Contains(layer))];
    }
}
