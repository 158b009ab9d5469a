namespace Peft;

/// <summary>Settings of triple preference optimization. The defaults are TRL's.</summary>
public sealed record TpoOptions
{
    /// <summary>β: scale of the rewards. 0.01 by default.</summary>
    public double Beta { get; init; } = 0.01;

    /// <summary>The loss of the pairs. Sigmoid by default.</summary>
    public TpoLoss Loss { get; init; } = TpoLoss.Sigmoid;

    /// <summary>Assumed probability that a preference is wrong, in [0, 0.5), for the losses sigmoid and TPO-L. 0 by default.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Weight of the cross-entropy of the gold responses. 1 by default; with 0 batches hold no gold responses.</summary>
    public double TpoAlpha { get; init; } = 1;

    /// <summary>γ: margin by which TPO-L's rewards should differ. 0.5 by default.</summary>
    public double TpoLGamma { get; init; } = 0.5;

    /// <summary>True if log-probabilities are means per token.</summary>
    internal bool PerToken => Loss is TpoLoss.Ipo or TpoLoss.TpoL;

    /// <summary>Number of texts for each pair.</summary>
    internal int Texts => TpoAlpha == 0 ? 2 : 3;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta > 0 && double.IsFinite(Beta))) yield return $"Beta must be above 0, but was {Beta}.";
        if (!Enum.IsDefined(Loss)) yield return $"Loss {Loss} does not exist.";
        if (LabelSmoothing is not (>= 0 and < 0.5)) yield return $"LabelSmoothing must be in [0, 0.5), but was {LabelSmoothing}.";
        if (!(TpoAlpha >= 0 && double.IsFinite(TpoAlpha))) yield return $"TpoAlpha must be 0 or above, but was {TpoAlpha}.";
        if (!(TpoLGamma >= 0 && double.IsFinite(TpoLGamma))) yield return $"TpoLGamma must be 0 or above, but was {TpoLGamma}.";
    }
    /// <summary>Settings without effect.</summary>
    internal IEnumerable<string> Warnings()
    {
        if (LabelSmoothing > 0 && Loss is TpoLoss.Hinge or TpoLoss.Ipo) yield return $"The loss {Loss} has no label smoothing: LabelSmoothing {LabelSmoothing} has no effect.";
    }
}
