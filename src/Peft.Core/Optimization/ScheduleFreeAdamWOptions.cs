using System.ComponentModel;

namespace Peft;

/// <summary>Schedule-free AdamW (Defazio et al. 2024, arXiv:2405.15682): z takes AdamW's steps, x is the mean of all z, and gradients are computed at y = β₁·x + (1 − β₁)·z. Use a constant schedule with warmup. Evaluations and checkpoints use x.</summary>
[TypeConverter(typeof(TextConverter<ScheduleFreeAdamWOptions>))]
public sealed record ScheduleFreeAdamWOptions : FlatOptimizerOptions
{
    /// <summary>β₁: interpolation between the mean and the iterate, in (0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new ScheduleFreeAdamW(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { Beta1 is > 0 and < 1 ? null : $"Beta1 must be above 0 and below 1, but was {Beta1}.", DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon) }.OfType<string>());
}
