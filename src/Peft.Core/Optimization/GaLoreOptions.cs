using System.ComponentModel;

namespace Peft;

/// <summary>GaLore (Zhao et al. 2024, arXiv:2403.03507): Adam on the gradient of a matrix projected onto its leading singular vectors, for full fine-tuning with low-rank moments. AdamW trains tensors that are not matrices or not larger than the rank.</summary>
[TypeConverter(typeof(TextConverter<GaLoreOptions>))]
public sealed record GaLoreOptions : FlatOptimizerOptions
{
    /// <summary>Rank of the projection. 128 by default.</summary>
    public int Rank { get; init; } = 128;

    /// <summary>Steps between new projections. 200 by default.</summary>
    public int UpdateInterval { get; init; } = 200;

    /// <summary>Scale α of the projected update. 0.25 by default.</summary>
    public double Scale { get; init; } = 0.25;

    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new GaLore(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { CountError(nameof(Rank), Rank), CountError(nameof(UpdateInterval), UpdateInterval), PositiveError(nameof(Scale), Scale), DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon) }.OfType<string>());
}
