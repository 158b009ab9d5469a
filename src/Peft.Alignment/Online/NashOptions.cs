namespace Peft;

/// <summary>Settings of <see cref="NashObjective"/>. The defaults are TRL's.</summary>
public sealed record NashOptions
{
    /// <summary>β: weight of the divergence from the reference, one value or one for each epoch. 0.1 by default.</summary>
    public PerEpoch Beta { get; init; } = 0.1;

    /// <summary>Weight of the reference in the mixture that the policy plays against, in [0, 1]: one value or one for each epoch. 0.5 by default.</summary>
    public PerEpoch MixtureCoefficient { get; init; } = 0.5;

    /// <summary>Subtracted from the reward of completions without an end token; null for nothing.</summary>
    public double? MissingEosPenalty { get; init; }

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
        => PairwiseObjective.Errors(Beta, DpoLoss.Sigmoid, MissingEosPenalty).Concat(MixtureCoefficient.All(value => value is >= 0 and <= 1) ? [] : [$"MixtureCoefficient must be in [0, 1], but was {MixtureCoefficient}."]);
}
