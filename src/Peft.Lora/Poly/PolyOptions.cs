namespace Peft;

/// <summary>
/// Polytropon (Ponti et al. 2022, arXiv:2202.13914): each task learns its own mixture of a few skills, which are LoRA adapters. With splits, each part of a
/// module's channels has its own mixture (multi-head routing, Caccia et al. 2022, arXiv:2211.03831). <see cref="PeftModel.Tasks"/> or <c>task_ids</c> in a
/// batch set the task of each row. Not mergeable.
/// </summary>
[MethodDescription("Poly", "W·x + B(t)·A(t)·x/r, A(t) = Σ αₜₛ·Aₛ", "Ponti et al. 2022, arXiv:2202.13914")]
[LearningRate(1e-3)]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
[SupportedModules(ModuleKinds.Linear)]
public sealed record PolyOptions() : TargetedOptions("POLY")
{
    /// <summary>Rank of each skill. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>Number of tasks.</summary>
    [JsonPropertyName("n_tasks"), AtLeast(1)] public int TaskCount { get; init; } = 1;

    /// <summary>Number of skills.</summary>
    [JsonPropertyName("n_skills"), AtLeast(1)] public int SkillCount { get; init; } = 4;

    /// <summary>Number of parts of each module's channels with separate mixtures. It must divide the input and output size of each target.</summary>
    [JsonPropertyName("n_splits"), AtLeast(1)] public int SplitCount { get; init; } = 1;

    /// <summary>Type of the router; only <c>poly</c> is supported.</summary>
    [JsonPropertyName("poly_type"), OneOf("poly")] public string Router { get; init; } = "poly";

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
        => (targets.Select(target => new PolyLayer(target, this, () => PeftModel.Of(model.Model)?.TaskIds)), null);
}
