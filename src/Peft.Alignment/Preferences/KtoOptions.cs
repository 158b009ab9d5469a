namespace Peft;

/// <summary>Settings of Kahneman-Tversky optimization. The defaults are TRL's.</summary>
public sealed record KtoOptions
{
    /// <summary>β: strength of the pull to the reference. 0.1 by default.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>The loss. KTO by default.</summary>
    public KtoLoss Loss { get; init; } = KtoLoss.Kto;

    /// <summary>Weight of desirable texts, λ_D. 1 by default. Together with <see cref="UndesirableWeight"/> it should balance the counts of both: λ_D n_D / (λ_U n_U) in [1, 1.33].</summary>
    public double DesirableWeight { get; init; } = 1;

    /// <summary>Weight of undesirable texts, λ_U. 1 by default.</summary>
    public double UndesirableWeight { get; init; } = 1;

    /// <summary>The weight of all desirable rows, as a multiple of that of the undesirable ones.</summary>
    internal double Ratio(int desirable, int undesirable) => DesirableWeight * desirable / (UndesirableWeight * undesirable);

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta > 0 && double.IsFinite(Beta))) yield return $"Beta must be above 0, but was {Beta}.";
        if (!Enum.IsDefined(Loss)) yield return $"Loss {Loss} does not exist.";
        if (!(DesirableWeight >= 0 && double.IsFinite(DesirableWeight))) yield return $"DesirableWeight must be 0 or above, but was {DesirableWeight}.";
        if (!(UndesirableWeight >= 0 && double.IsFinite(UndesirableWeight))) yield return $"UndesirableWeight must be 0 or above, but was {UndesirableWeight}.";
    }
}
