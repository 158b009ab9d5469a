namespace Peft;

/// <summary>Settings of supervised fine-tuning. The defaults are TRL's.</summary>
public sealed record SftOptions
{
    /// <summary>The loss. Cross-entropy by default.</summary>
    public SftLoss Loss { get; init; } = SftLoss.Nll;

    /// <summary>Fraction ε, in [0, 1), of the probability mass that is spread evenly over the vocabulary. 0 by default. It needs the logits of all labelled tokens in memory.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>α of the noise that is added to embeddings in training, uniform in ±α/√(sequence · hidden) (NEFTune, arXiv:2310.05914); null, the default, for none.</summary>
    public double? NeftuneAlpha { get; init; }

    /// <summary>False to leave out the metrics <c>entropy</c> and <c>mean_token_accuracy</c>, which takes the fused loss of the model where possible. True by default.</summary>
    public bool TokenMetrics { get; init; } = true;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!Enum.IsDefined(Loss)) yield return $"Loss must be one of {string.Join(", ", Enum.GetNames<SftLoss>())}, but was {Loss}.";
        if (LabelSmoothing is not (>= 0 and < 1)) yield return $"LabelSmoothing must be in [0, 1), but was {LabelSmoothing}.";
        if (LabelSmoothing > 0 && Loss == SftLoss.Dft) yield return "LabelSmoothing belongs to the loss Nll, but the loss is Dft: drop one of the two.";
        if (NeftuneAlpha is { } alpha && !(alpha > 0 && double.IsFinite(alpha))) yield return $"NeftuneAlpha must be above 0, or null for no noise, but was {alpha}.";
    }
}
