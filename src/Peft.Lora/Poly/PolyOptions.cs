using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// Polytropon (Ponti et al. 2022, arXiv:2202.13914): a few skills, each a LoRA, of which each task learns a mixture of its own; with splits, each part of a
/// module's channels is mixed by itself (multi-head routing, Caccia et al. 2022, arXiv:2211.03831). Rows get their tasks by <see cref="PeftModel.Tasks"/>
/// or by <c>task_ids</c> in a batch. Does not merge.
/// </summary>
[MethodDescription("Poly", "W·x + B(t)·A(t)·x/r, A(t) = Σ αₜₛ·Aₛ", "Ponti et al. 2022, arXiv:2202.13914")]
[LearningRate(1e-3)]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
[SupportedModules(ModuleKinds.Linear)]
public sealed record PolyOptions : WeightUpdateOptions
{
    /// <summary>The defaults.</summary>
    public PolyOptions() : base("POLY") { }

    /// <summary>Rank of each skill. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>Number of tasks.</summary>
    [JsonPropertyName("n_tasks")] public int TaskCount { get; init; } = 1;

    /// <summary>Number of skills.</summary>
    [JsonPropertyName("n_skills")] public int SkillCount { get; init; } = 4;

    /// <summary>Parts of each module's channels that are mixed apart. Must divide both sides of every adapted matrix.</summary>
    [JsonPropertyName("n_splits")] public int SplitCount { get; init; } = 1;

    /// <summary>The kind of router; there is <c>poly</c> alone.</summary>
    [JsonPropertyName("poly_type")] public string Router { get; init; } = "poly";

    /// <summary>Whether the adapter starts as none; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank))) yield return error;
        if (TaskCount < 1) yield return $"TaskCount must be at least 1, but was {TaskCount}.";
        if (SkillCount < 1) yield return $"SkillCount must be at least 1, but was {SkillCount}.";
        if (SplitCount < 1) yield return $"SplitCount must be at least 1, but was {SplitCount}.";
        if (Router != "poly") yield return $"Router must be 'poly', but was '{Router}'.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
        => (targets.Select(target => new PolyLayer(target, this, () => PeftModel.Of(model.Model)?.TaskIds)), null);
}
