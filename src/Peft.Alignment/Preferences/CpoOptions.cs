namespace Peft;

/// <summary>Settings of contrastive preference optimization. The defaults are TRL's.</summary>
public sealed record CpoOptions
{
    /// <summary>β: scale of the rewards. 0.1 by default; SimPO needs 2 or more.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>The loss. Sigmoid by default.</summary>
    public CpoLoss Loss { get; init; } = CpoLoss.Sigmoid;

    /// <summary>Assumed probability that a preference is wrong, in [0, 0.5), for the losses sigmoid and SimPO. 0 by default.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Weight of the cross-entropy of the chosen completions. 1 by default; 0 for SimPO.</summary>
    public double CpoAlpha { get; init; } = 1;

    /// <summary>γ: margin by which SimPO's rewards should differ. 0.5 by default.</summary>
    public double SimPoGamma { get; init; } = 0.5;

    /// <summary>α of AlphaPO (arXiv:2501.03884), which replaces log p by (1 − p^(−α))/α; 0 for log p. 0 by default.</summary>
    public double Alpha { get; init; }

    /// <summary>SimPO: means per token, a margin, and no cross-entropy, with β 2.</summary>
    public static CpoOptions SimPo { get; } = new() { Loss = CpoLoss.SimPo, CpoAlpha = 0, Beta = 2 };

    /// <summary>True if log-probabilities are means per token.</summary>
    internal bool PerToken => Loss is CpoLoss.Ipo or CpoLoss.SimPo;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta > 0 && double.IsFinite(Beta))) yield return $"Beta must be above 0, but was {Beta}.";
        if (!Enum.IsDefined(Loss)) yield return $"Loss {Loss} does not exist.";
        if (LabelSmoothing is not (>= 0 and < 0.5)) yield return $"LabelSmoothing must be in [0, 0.5), but was {LabelSmoothing}.";
        if (!(CpoAlpha >= 0 && double.IsFinite(CpoAlpha))) yield return $"CpoAlpha must be 0 or above, but was {CpoAlpha}.";
        if (!(SimPoGamma >= 0 && double.IsFinite(SimPoGamma))) yield return $"SimPoGamma must be 0 or above, but was {SimPoGamma}.";
        if (!double.IsFinite(Alpha)) yield return $"Alpha must be finite, but was {Alpha}.";
    }
    /// <summary>Settings that may not do what is meant.</summary>
    internal IEnumerable<string> Warnings()
    {
        if (LabelSmoothing > 0 && Loss is CpoLoss.Hinge or CpoLoss.Ipo) yield return $"The loss {Loss} has no label smoothing: LabelSmoothing {LabelSmoothing} has no effect.";
        if (Loss == CpoLoss.SimPo && CpoAlpha != 0) yield return "The loss is SimPo, but CpoAlpha is not 0, which adds the cross-entropy of CPO: SimPO itself has CpoAlpha 0 (CpoOptions.SimPo).";
    }
}
