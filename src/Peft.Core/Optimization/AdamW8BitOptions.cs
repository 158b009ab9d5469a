using System.ComponentModel;

namespace Peft;

/// <summary>
/// AdamW with 8-bit moments (Dettmers et al. 2021, arXiv:2110.02861), like <c>AdamW8bit</c> of bitsandbytes: 2 bytes of state per parameter instead of 8. A step
/// updates the parameters with exact moments, which are then rounded, in blocks of 256.
/// </summary>
[TypeConverter(typeof(TextConverter<AdamW8BitOptions>))]
public sealed record AdamW8BitOptions : FlatOptimizerOptions
{
    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Number of elements below which a tensor keeps moments in float32. 4,096 by default.</summary>
    public int SmallestRounded { get; init; } = 4096;

    /// <summary>
    /// True to keep the moments in files that the operating system pages in and out, for states that exceed the machine's memory. For parameters on the CPU. Results are the same bit for bit. The disk must
    /// have 2 free bytes per trainable parameter.
    /// </summary>
    public bool Paged { get; init; }

    /// <summary>Folder of the files of <see cref="Paged"/> states; null, the default, for the temporary folder, which on some machines is in memory.</summary>
    public string? PageFolder { get; init; }

    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new AdamW8Bit(parameters, learningRate, this);

    internal override bool IsPaged => Paged;

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon), CountError(nameof(SmallestRounded), SmallestRounded), PageError(Paged, PageFolder) }.OfType<string>());
}
