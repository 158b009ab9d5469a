using System.Text.Json.Serialization;

[assembly: Peft.AdapterMethod("PARTIAL", typeof(Peft.PartialOptions))]

namespace Peft;

/// <summary>Partial fine-tuning as an adapter: trains copies of the named modules and parameters, and nothing else. Can be merged.</summary>
/// <remarks>
/// Hugging Face PEFT has no such method, only the option <c>modules_to_save</c> of other methods. The file contains each trained parameter in the form of that option:
/// <c>base_model.model.&lt;path&gt;</c>. A weight that is tied to a named one is trained with it, and saved once. The new head of a
/// classifier or question-answering model is always trained.
/// </remarks>
[MethodDescription("Partial fine-tuning", "W′ for chosen modules", "Lee et al. 2019, arXiv:1911.03090")]
[LearningRate(5e-5)]
public sealed record PartialOptions : AdapterOptions
{
    /// <summary>Creates options without modules.</summary>
    public PartialOptions() : base("PARTIAL") { }

    /// <summary>
    /// Modules, with all of their submodules, and parameters: by path or its last parts (<c>lm_head</c>, <c>norm</c>, <c>q_proj.bias</c>). A negative number
    /// counts from the end of a module list: <c>layers.-1</c> is the last layer.
    /// </summary>
    [JsonPropertyName("target_modules")] public IReadOnlyList<string> TargetModules { get; init; } = [];

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors()
    {
        if (TargetModules is not { Count: > 0 }) yield return "TargetModules must name at least one module or parameter, but is empty.";
        else if (TargetModules.Any(string.IsNullOrWhiteSpace)) yield return "TargetModules must not contain an empty name.";
    }

    /// <inheritdoc/>
    protected internal override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var heads = model.NewModules(TaskType).SelectMany(name => model.ModulePaths.Where(path => ModelTree.Ends(path, name)));
        string[] names = [.. TargetModules.Concat(heads).Distinct()];
        var patterns = PathPattern.For(model, names);
        var matched = new HashSet<PathPattern>();
        var layers = WholeParameters.Layers(model, path =>
        {
            var matches = patterns.Where(pattern => pattern.Matches(path)).ToList();
            matched.UnionWith(matches);
            return matches.Count > 0;
        });
        // Otherwise, a name that matches nothing would go unnoticed if others match.
        string[] unmatched = [.. names.Where((_, i) => !matched.Contains(patterns[i]))];
        if (unmatched.Length == 0) return new AdapterPlan(this with { TargetModules = names }, layers);
        foreach (var layer in layers) layer.Dispose();
        throw model.NotFound(nameof(TargetModules), unmatched);
    }
}
