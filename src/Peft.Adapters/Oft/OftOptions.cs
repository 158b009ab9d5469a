namespace Peft;

/// <summary>
/// OFT (Qiu et al. 2023, arXiv:2306.07280; on inputs as in Qiu et al. 2025, arXiv:2506.19847): rotates blocks of the inputs. Mergeable.
/// </summary>
[MethodDescription("OFT", "W·R, R of orthogonal blocks", "Qiu et al. 2023, arXiv:2306.07280")]
[LearningRate(4e-4, SmallModel = 3e-2)]
[FanInFanOut]
public sealed record OftOptions() : RotationOptions("OFT")
{
    /// <summary>Number of blocks; 0 to set their size instead.</summary>
    [JsonPropertyName("r")] public int BlockCount { get; init; }

    /// <summary>Size of the blocks; 0 to set their number instead. If it does not divide the input size, the nearest divisor is used.</summary>
    [JsonPropertyName("oft_block_size")] public int BlockSize { get; init; } = 32;

    /// <summary>Fraction of the blocks that each training step leaves unrotated.</summary>
    [JsonPropertyName("module_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to constrain the rotations to a distance of <see cref="Epsilon"/> from the identity (constrained OFT).</summary>
    [JsonPropertyName("coft")] public bool Constrained { get; init; }

    /// <summary>
    /// Maximum distance from the identity with <see cref="Constrained"/>: the norm of all blocks' skew-symmetric matrices together, if they are equal.
    /// </summary>
    [JsonPropertyName("eps")] public double Epsilon { get; init; } = 6e-5;

    /// <summary>True to share one rotation among all blocks of a module.</summary>
    [JsonPropertyName("block_share")] public bool ShareBlocks { get; init; }

    /// <summary>
    /// True to approximate the inverse in the Cayley transform by a truncated Neumann series: much faster, but only approximately orthogonal.
    /// </summary>
    [JsonPropertyName("use_cayley_neumann")] public bool UseCayleyNeumann { get; init; } = true;

    /// <summary>Number of terms of the series.</summary>
    [JsonPropertyName("num_cayley_neumann_terms")] public int NeumannTerms { get; init; } = 5;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(BlockErrors.Of(BlockCount, BlockSize))) yield return error;
        if (Constrained && !(Epsilon > 0)) yield return $"Epsilon must be above 0 with Constrained, but was {Epsilon}.";
        if (NeumannTerms is < 1 or > 1000) yield return $"NeumannTerms must be between 1 and 1000, but was {NeumannTerms}: each term takes a product of matrices.";
    }

    protected override AdapterLayer CreateLayer(Target target) => new OftLayer(target, this);

    /// <summary>Block size for an input size: the divisor nearest to the requested size, the smaller one of two.</summary>
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
