namespace Peft;

/// <summary>Settings of direct preference optimization. The defaults are TRL's.</summary>
public sealed record DpoOptions
{
    /// <summary>β: strength of the pull to the reference. 0.1 by default.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>The losses, which are added. Sigmoid by default.</summary>
    public IReadOnlyList<DpoLoss> Losses { get; init; } = [DpoLoss.Sigmoid];

    /// <summary>Weight of each loss; null for 1 each.</summary>
    public IReadOnlyList<double>? LossWeights { get; init; }

    /// <summary>Assumed probability that a preference is wrong, in [0, 0.5), for the losses EXO, robust and AOT. 0 by default.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>The divergence from the reference. Reverse KL by default.</summary>
    public DpoDivergence Divergence { get; init; } = DpoDivergence.ReverseKl;

    /// <summary>α of <see cref="DpoDivergence.Alpha"/>. 0.5 by default.</summary>
    public double DivergenceAlpha { get; init; } = 0.5;

    /// <summary>Weight, in [0, 1], of the tokens beyond the length of the shorter completion of a pair (LD-DPO, arXiv:2409.06411); null to weight all tokens alike.</summary>
    public double? LengthDesensitization { get; init; }

    /// <summary>True to weight pairs by how probable they are under the policy (WPO, arXiv:2406.11827). False by default.</summary>
    public bool WeightByPolicy { get; init; }

    /// <summary>Temperature τ of <see cref="DpoLoss.DiscoPop"/>. 0.05 by default.</summary>
    public double DiscoPopTemperature { get; init; } = 0.05;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta > 0 && double.IsFinite(Beta))) yield return $"Beta must be above 0, but was {Beta}.";
        if (Losses.Count == 0) yield return "Losses is empty: name at least one.";
        if (LossWeights is { } weights && (weights.Count != Losses.Count || weights.Any(weight => !double.IsFinite(weight)))) yield return $"LossWeights must have a finite number for each of the {Losses.Count} losses, but was [{string.Join(", ", weights)}].";
        if (LabelSmoothing is not (>= 0 and < 0.5)) yield return $"LabelSmoothing must be in [0, 0.5), but was {LabelSmoothing}.";
        if (Losses.Contains(DpoLoss.ExoPair) && LabelSmoothing == 0) yield return "The loss ExoPair needs LabelSmoothing above 0, such as 0.001.";
        if (LengthDesensitization is not (null or (>= 0 and <= 1))) yield return $"LengthDesensitization must be in [0, 1], but was {LengthDesensitization}.";
        if (WeightByPolicy && Losses.FirstOrDefault(loss => loss is DpoLoss.Aot or DpoLoss.AotUnpaired or DpoLoss.Sft, (DpoLoss)(-1)) is >= 0 and var odd) yield return $"WeightByPolicy weights pairs, but the loss {odd} is not a sum over pairs: drop one of the two.";
        if (!(DiscoPopTemperature > 0)) yield return $"DiscoPopTemperature must be above 0, but was {DiscoPopTemperature}.";
        if (!double.IsFinite(DivergenceAlpha)) yield return $"DivergenceAlpha must be finite, but was {DivergenceAlpha}.";
    }
}
