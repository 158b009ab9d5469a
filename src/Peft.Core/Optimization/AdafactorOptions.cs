using System.ComponentModel;

namespace Peft;

/// <summary>Adafactor (Shazeer and Stern 2018, arXiv:1804.04235) with a given learning rate: the second moments of a matrix are factored into a row and a column. The defaults are those of Hugging Face transformers.</summary>
[TypeConverter(typeof(TextConverter<AdafactorOptions>))]
public sealed record AdafactorOptions : FlatOptimizerOptions
{
    /// <summary>c: the decay of second moments is 1 − step^c. −0.8 by default.</summary>
    public double DecayRate { get; init; } = -0.8;

    /// <summary>Term added to squared gradients. 1e-30 by default.</summary>
    public double Epsilon { get; init; } = 1e-30;

    /// <summary>Maximum root mean square of an update. 1 by default.</summary>
    public double ClipThreshold { get; init; } = 1;

    /// <summary>True to multiply the learning rate by the root mean square of the tensor, at least <see cref="MinimumScale"/>. True by default.</summary>
    public bool ScaleByParameter { get; init; } = true;

    /// <summary>Minimum scale of a tensor. 1e-3 by default.</summary>
    public double MinimumScale { get; init; } = 1e-3;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new Adafactor(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { DecayRate < 0 ? null : $"DecayRate must be below 0, but was {DecayRate}.", PositiveError(nameof(Epsilon), Epsilon), PositiveError(nameof(ClipThreshold), ClipThreshold), PositiveError(nameof(MinimumScale), MinimumScale) }.OfType<string>());
}
