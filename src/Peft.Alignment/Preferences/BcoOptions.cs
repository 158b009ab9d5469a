namespace Peft;

/// <summary>Settings of binary classifier optimization. The defaults are TRL's.</summary>
public sealed record BcoOptions
{
    /// <summary>β: scale of the rewards. 0.1 by default.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta > 0 && double.IsFinite(Beta))) yield return $"Beta must be above 0, but was {Beta}.";
    }
}
