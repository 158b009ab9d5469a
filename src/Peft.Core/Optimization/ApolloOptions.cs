using System.ComponentModel;

namespace Peft;

/// <summary>APOLLO (Zhu et al. 2024, arXiv:2412.05270): the gradient of a matrix, with each channel scaled as Adam scales its low-rank random projection. AdamW trains tensors that are not matrices or not larger than the rank.</summary>
[TypeConverter(typeof(TextConverter<ApolloOptions>))]
public sealed record ApolloOptions : FlatOptimizerOptions
{
    /// <summary>Rank of the projection. 128 by default.</summary>
    public int Rank { get; init; } = 128;

    /// <summary>Steps between new projections. 200 by default.</summary>
    public int UpdateInterval { get; init; } = 200;

    /// <summary>Scale α of the update. 1 by default.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>Maximum growth factor of an update's norm from step to step. 1.01 by default.</summary>
    public double NormGrowthLimit { get; init; } = 1.01;

    /// <summary>True to scale all channels of a matrix by one factor (APOLLO-Mini, for <see cref="Rank"/> 1 and <see cref="Scale"/> √128). False by default.</summary>
    public bool ScaleByTensor { get; init; }

    /// <summary>Seed of the random projections. 42 by default.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-6 by default.</summary>
    public double Epsilon { get; init; } = 1e-6;


    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new Apollo(parameters, learningRate, this);

    internal override IEnumerable<string> Errors()
        => base.Errors().Concat(new[] { CountError(nameof(Rank), Rank), CountError(nameof(UpdateInterval), UpdateInterval), PositiveError(nameof(Scale), Scale), NormGrowthLimit > 1 ? null : $"NormGrowthLimit must be above 1, but was {NormGrowthLimit}.", DecayError(nameof(Beta1), Beta1), DecayError(nameof(Beta2), Beta2), PositiveError(nameof(Epsilon), Epsilon) }.OfType<string>());
}
