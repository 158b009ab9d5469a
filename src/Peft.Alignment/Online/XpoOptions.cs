namespace Peft;

/// <summary>Settings of <see cref="XpoObjective"/>. The defaults are TRL's.</summary>
public sealed record XpoOptions
{
    /// <summary>β: strength of the pull to the reference, one value or one for each epoch. 0.1 by default.</summary>
    public PerEpoch Beta { get; init; } = 0.1;

    /// <summary>α: weight of exploration, one value or one for each epoch. 1e-5 by default.</summary>
    public PerEpoch Alpha { get; init; } = 1e-5;

    /// <summary>The loss of a pair: sigmoid or IPO. Sigmoid by default.</summary>
    public DpoLoss Loss { get; init; } = DpoLoss.Sigmoid;

    /// <summary>Subtracted from the reward of completions without an end token; null for nothing.</summary>
    public double? MissingEosPenalty { get; init; }

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
        => PairwiseObjective.Errors(Beta, Loss, MissingEosPenalty).Concat(Alpha.All(value => value >= 0 && double.IsFinite(value)) ? [] : [$"Alpha must be 0 or more, but was {Alpha}."]);
}
