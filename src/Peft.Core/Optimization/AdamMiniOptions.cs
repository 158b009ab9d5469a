using System.ComponentModel;

namespace Peft;

/// <summary>Adam-mini (Zhang et al. 2024, arXiv:2406.16793): AdamW with one second moment per row of a matrix (output neuron, token) and one per vector.</summary>
[TypeConverter(typeof(TextConverter<AdamMiniOptions>))]
public sealed record AdamMiniOptions : FlatOptimizerOptions
{
    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new AdamMini(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon) }.OfType<string>());
}
