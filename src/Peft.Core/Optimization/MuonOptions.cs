using System.ComponentModel;

namespace Peft;

/// <summary>Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): Newton–Schulz iterations orthogonalize the momentum of a matrix; AdamW trains all other tensors.</summary>
[TypeConverter(typeof(TextConverter<MuonOptions>))]
public sealed record MuonOptions : FlatOptimizerOptions
{
    /// <summary>Momentum, in [0, 1). 0.95 by default.</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary>Newton–Schulz iterations. 5 by default.</summary>
    public int Iterations { get; init; } = 5;

    /// <summary>Learning rate of AdamW as a fraction of the learning rate. 1 by default.</summary>
    public double AdamWScale { get; init; } = 1;

    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.95 by default.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Term added to the denominator. 1e-10 by default.</summary>
    public double Epsilon { get; init; } = 1e-10;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new Muon(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { DecayError(nameof(Momentum), Momentum), CountError(nameof(Iterations), Iterations), PositiveError(nameof(AdamWScale), AdamWScale), DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon) }.OfType<string>());
}
