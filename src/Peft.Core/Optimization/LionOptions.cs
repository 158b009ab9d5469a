using System.ComponentModel;

namespace Peft;

/// <summary>Lion (Chen et al. 2023, arXiv:2302.06675): θ ← θ − η·(sign(β₁·m + (1 − β₁)·g) + λ·θ), m ← β₂·m + (1 − β₂)·g. One state per parameter; learning rates are 3 to 10 times lower than for AdamW.</summary>
[TypeConverter(typeof(TextConverter<LionOptions>))]
public sealed record LionOptions : FlatOptimizerOptions
{
    /// <summary>β₁: weight of the mean in the update, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂: decay of the mean, in [0, 1). 0.99 by default.</summary>
    public double Beta2 { get; init; } = 0.99;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new Lion(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2) }.OfType<string>());
}
