namespace Peft;

/// <summary>
/// Lily (Zhong et al. 2024, arXiv:2407.09946): W·x + s·Bₓ·A·x. Modules of the same name share A with adjacent layers and a few experts Bₑ across all layers.
/// A router computes the mixture Bₓ of the experts for each input. Not mergeable.
/// </summary>
[MethodDescription("Lily", "W·x + s·Bₓ·A·x, Bₓ routed", "Zhong et al. 2024, arXiv:2407.09946")]
[LearningRate(1e-3)]
[SupportedModules(ModuleKinds.Linear)]
public sealed record LilyOptions() : TargetedOptions("LILY")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Number of consecutive layers that share A.</summary>
    [JsonPropertyName("stride_A"), AtLeast(1)] public int Stride { get; init; } = 1;

    /// <summary>Number of experts.</summary>
    [JsonPropertyName("num_B"), AtLeast(1)] public int Experts { get; init; } = 2;

    /// <summary>Scaling s of the update.</summary>
    [JsonPropertyName("scaling")] public double Scaling { get; init; } = 1;

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var groups = new Dictionary<(string?, long, long), List<LilyLayer>>();
        return (targets.Select(target =>
        {
            var name = TargetModules?.Names.LastOrDefault(each => target.Path.EndsWith(each, StringComparison.Ordinal));
            if (!groups.TryGetValue((name, target.In, target.Out), out var group)) groups.Add((name, target.In, target.Out), group = []);
            group.Add(new LilyLayer(target, this, group.Count % Stride == 0 ? null : group[^1], group.FirstOrDefault()));
            return group[^1];
        }), null);
    }
}
