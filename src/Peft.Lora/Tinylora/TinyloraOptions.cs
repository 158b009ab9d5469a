using System.ComponentModel;
using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>How TinyLoRA's vectors start.</summary>
[TypeConverter(typeof(EnumNames<TinyloraInitialization>))]
public enum TinyloraInitialization
{
    /// <summary>Zero: the adapter changes nothing until it is trained.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>Uniform within <see cref="TinyloraOptions.Bound"/>, as <see cref="Uniform"/>.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>Uniform within <see cref="TinyloraOptions.Bound"/>.</summary>
    [JsonStringEnumMemberName("uniform")] Uniform,
}

/// <summary>
/// TinyLoRA (arXiv:2602.04118): W + B·R·A, with frozen B and A from the weight's singular value decomposition and R = Σ vᵢ·Pᵢ a mix of
/// random matrices; only the vector v is trained, for one layer or several. Merges.
/// </summary>
[MethodDescription("TinyLoRA", "W + B·(Σ vᵢ·Pᵢ)·A, only v trained", "arXiv:2602.04118")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record TinyloraOptions() : BiasedUpdateOptions("TINYLORA")
{
    /// <summary>Singular vectors that are used. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 2;

    /// <summary>Length of v.</summary>
    [JsonPropertyName("u")] public int Size { get; init; } = 64;

    /// <summary>How far layers share v: 0 for one each, 1 for one of all.</summary>
    [JsonPropertyName("weight_tying")] public double WeightTying { get; init; }

    /// <summary>Seed of the random matrices.</summary>
    [JsonPropertyName("projection_seed")] public int ProjectionSeed { get; init; } = 42;

    /// <summary>Whether the file holds the random matrices; without them a reader draws them again from the seed.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>v starts uniform between ± this with <see cref="TinyloraInitialization.Uniform"/>.</summary>
    [JsonPropertyName("init_v_bound")] public double Bound { get; init; } = 0.02;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("tinylora_dropout")] public double Dropout { get; init; }

    /// <summary>How v starts.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<TinyloraInitialization>))] public TinyloraInitialization Initialization { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout))) yield return error;
        if (Size < 1) yield return $"Size must be at least 1, but was {Size}.";
        if (!(WeightTying is >= 0 and <= 1)) yield return $"WeightTying must lie between 0 and 1, but was {WeightTying}.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var vectors = new TinyloraVectors(this, targets);
        return (targets.Select((target, i) => new TinyloraLayer(target, this, vectors.Of(i), ProjectionSeed + i)), vectors);
    }
}
