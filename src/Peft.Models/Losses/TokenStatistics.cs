namespace Peft.Models;

/// <summary>Statistics of a model's prediction of a token, in addition to its log-probability. They have no gradient.</summary>
[Flags]
public enum TokenStatistics
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Entropy of the distribution over the vocabulary, in nats.</summary>
    Entropy = 1,

    /// <summary>log Σ p² over the vocabulary: the expected log-probability of the policy itself (WPO, arXiv:2406.11827).</summary>
    LogSquaredSum = 2,

    /// <summary>Mean logit over the vocabulary.</summary>
    MeanLogit = 4,

    /// <summary>1 if the token is the most probable one, else 0.</summary>
    IsGreedy = 8,

    /// <summary>Mean logit over the vocabulary at every position, with or without a label, padding included.</summary>
    MeanLogitOfAllPositions = 16,
}
