using System.Text.Json.Serialization;
using Peft.Adapters;

namespace Peft;

/// <summary>
/// OFT (Qiu et al. 2023, arXiv:2306.07280; on inputs as in Qiu et al. 2025, arXiv:2506.19847): blocks of the inputs are rotated. Merges.
/// </summary>
[MethodDescription("OFT", "W·R, R of orthogonal blocks", "Qiu et al. 2023, arXiv:2306.07280")]
[LearningRate(4e-4, SmallModel = 3e-2)]
public sealed record OftOptions() : TargetedOptions("OFT")
{
    /// <summary>Number of blocks; 0 to give their size instead.</summary>
    [JsonPropertyName("r")] public int BlockCount { get; init; }

    /// <summary>Size of the blocks; 0 to give their number instead. Where it does not divide the inputs, the nearest size that does.</summary>
    [JsonPropertyName("oft_block_size")] public int BlockSize { get; init; } = 32;

    /// <summary>Share of the blocks that each training step leaves unrotated.</summary>
    [JsonPropertyName("module_dropout")] public double Dropout { get; init; }

    /// <summary>Biases of the model to train as well: <c>none</c>, <c>all</c>, or <c>oft_only</c> for those of the targets.</summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    /// <summary>Whether rotations stay within <see cref="Epsilon"/> of none (constrained OFT).</summary>
    [JsonPropertyName("coft")] public bool Constrained { get; init; }

    /// <summary>How far rotations may go with <see cref="Constrained"/>: norm of all blocks' skew matrices together, if all are alike.</summary>
    [JsonPropertyName("eps")] public double Epsilon { get; init; } = 6e-5;

    /// <summary>Whether all blocks of a module rotate alike.</summary>
    [JsonPropertyName("block_share")] public bool ShareBlocks { get; init; }

    /// <summary>Whether the inverse in Cayley's transform is a few terms of its Neumann series: much faster, orthogonal up to the terms left out.</summary>
    [JsonPropertyName("use_cayley_neumann")] public bool UseCayleyNeumann { get; init; } = true;

    /// <summary>Terms of that series.</summary>
    [JsonPropertyName("num_cayley_neumann_terms")] public int NeumannTerms { get; init; } = 5;

    /// <summary>True to initialize the adapter as a no-op; false for random values, for tests.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>Written for Hugging Face PEFT, where some weights are stored as <c>[in, out]</c>. It has no effect here.</summary>
    [JsonPropertyName("fan_in_fan_out")] public bool FanInFanOut { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (BlockCount < 0 || BlockSize < 0 || (BlockCount == 0) == (BlockSize == 0))
            yield return $"Give either BlockCount or BlockSize and leave the other at 0: they were {BlockCount} and {BlockSize}.";
        if (!(Dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {Dropout}.";
        if (Bias is not ("none" or "all" or "oft_only")) yield return $"Bias must be 'none', 'all' or 'oft_only', but was '{Bias}'.";
        if (Constrained && !(Epsilon > 0)) yield return $"Epsilon must be above 0 with Constrained, but was {Epsilon}.";
        if (NeumannTerms < 1) yield return $"NeumannTerms must be at least 1, but was {NeumannTerms}.";
    }

    /// <inheritdoc/>
    protected override bool TrainsAllBiases => Bias == "all";

    /// <inheritdoc/>
    protected override (IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared) Plan(IReadOnlyList<Target> targets, ModelTree model)
        => ([.. BiasLayer.For(Bias, targets, model, this), .. targets.Select(target => new OftLayer(target, this))], null);

    /// <summary>Size of the blocks for inputs of a size: the divisor nearest to what is asked, the smaller of two.</summary>
    internal long BlockSizeFor(long inputs) => BlockCount > 0 ? inputs / NearestDivisor(inputs, BlockCount) : NearestDivisor(inputs, BlockSize);

    private static long NearestDivisor(long number, long wanted)
    {
        if (wanted >= number) return number;
        var (above, below) = (wanted, wanted);
        while (number % above != 0) above++;
        while (number % below != 0) below--;
        return wanted - below <= above - wanted ? below : above;
    }
}
