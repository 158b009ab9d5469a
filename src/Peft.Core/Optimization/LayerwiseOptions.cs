using System.ComponentModel;

namespace Peft;

/// <summary>
/// AdamW on a few layers at a time, for full fine-tuning: LISA (Pan et al. 2024, arXiv:2403.17919) with random layers, BAdam (Luo et al. 2024, arXiv:2404.02827) with blocks
/// in order. Only the layers that are being trained have moments, which start at 0 in each interval.
/// </summary>
[TypeConverter(typeof(TextConverter<LayerwiseOptions>))]
public sealed record LayerwiseOptions : FlatOptimizerOptions
{
    /// <summary>The order of the layers. Random by default.</summary>
    public LayerOrder Order { get; init; } = LayerOrder.Random;

    /// <summary>Number of layers that are trained at a time. 2 by default.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Steps between changes of the layers. 20 by default.</summary>
    public int Interval { get; init; } = 20;

    /// <summary>Seed of the random order. 42 by default.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new Layerwise(parameters, learningRate, this);

    internal override IEnumerable<string> Errors() => base.Errors().Concat(new[]
    {
        Enum.IsDefined(Order) ? null : $"Order must be Random or Cyclic, but was {Order}.", CountError(nameof(Layers), Layers), CountError(nameof(Interval), Interval),
        DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon),
    }.OfType<string>());
}
