namespace Peft;

/// <summary>SHiRA (Bhardwaj et al. 2024, arXiv:2406.13175): W + S with a sparse S that has as many trained elements as a LoRA of the same rank. Mergeable.</summary>
[MethodDescription("SHiRA", "W + S, S sparse", "Bhardwaj et al. 2024, arXiv:2406.13175")]
[LearningRate(3e-4)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
[FanInFanOut]
public sealed record ShiraOptions() : TargetedOptions("SHIRA")
{
    /// <summary>r·(in + out) elements of each weight are trained. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Method of choosing the elements; only <c>random</c> is supported.</summary>
    [JsonPropertyName("mask_type"), OneOf("random")] public string MaskType { get; init; } = "random";

    /// <summary>Seed of the choice, the same for all targets. If null, each adapter draws new indices. The indices are saved.</summary>
    [JsonPropertyName("random_seed")] public int? Seed { get; init; }

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Vera) ?? base.DefaultTargets(model);

    protected override AdapterLayer CreateLayer(Target target) => new ShiraLayer(target, this);
}
