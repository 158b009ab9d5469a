namespace Peft;

/// <summary>RoAd (Liao and Monz 2024, arXiv:2409.00119): rotates and scales pairs of outputs. Mergeable.</summary>
[MethodDescription("RoAd", "R·W·x, R of 2 × 2 rotations", "Liao and Monz 2024, arXiv:2409.00119")]
[LearningRate(3e-3)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record RoadOptions() : TargetedOptions("ROAD")
{
    /// <summary>Degrees of freedom of each pair's rotation and scaling.</summary>
    [JsonPropertyName("variant")] public RoadVariant Variant { get; init; }

    /// <summary>Size of the groups in which outputs are paired, the first half with the second. It must be even and divide the output size of each target.</summary>
    [JsonPropertyName("group_size")] public int GroupSize { get; init; } = 64;

    /// <summary>True to initialize angles to 0 and scales to 1 (a no-op); false for random values, for tests.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (GroupSize < 2 || GroupSize % 2 != 0) yield return $"GroupSize must be even and at least 2, but was {GroupSize}.";
    }

    protected override AdapterLayer CreateLayer(Target target) => new RoadLayer(target, this);
}
