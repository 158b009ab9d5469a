using System.ComponentModel;

namespace Peft;

/// <summary>Stochastic gradient descent with momentum: v ← μ·v + g, θ ← θ − η·v, like <c>torch.optim.SGD</c>, but with decoupled weight decay.</summary>
[TypeConverter(typeof(TextConverter<SgdOptions>))]
public sealed record SgdOptions : FlatOptimizerOptions
{
    /// <summary>Momentum μ, in [0, 1). 0.9 by default; 0 needs no state.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>True for Nesterov momentum: θ ← θ − η·(g + μ·v). False by default.</summary>
    public bool Nesterov { get; init; }


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new Sgd(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { DecayError(nameof(Momentum), Momentum) }.OfType<string>());
}
