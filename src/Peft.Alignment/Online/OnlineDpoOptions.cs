namespace Peft;

/// <summary>Settings of <see cref="OnlineDpoObjective"/>. The defaults are TRL's.</summary>
public sealed record OnlineDpoOptions
{
    /// <summary>β: strength of the pull to the reference, one value or one for each epoch. 0.1 by default.</summary>
    public PerEpoch Beta { get; init; } = 0.1;

    /// <summary>The loss of a pair: sigmoid or IPO. Sigmoid by default.</summary>
    public DpoLoss Loss { get; init; } = DpoLoss.Sigmoid;

    /// <summary>Subtracted from the reward of completions without an end token; null for nothing.</summary>
    public double? MissingEosPenalty { get; init; }

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors() => PairwiseObjective.Errors(Beta, Loss, MissingEosPenalty);
}
