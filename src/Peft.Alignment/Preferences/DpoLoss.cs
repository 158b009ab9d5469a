namespace Peft;

/// <summary>A loss of <see cref="DpoObjective"/>, by TRL's names. z is β times the difference of the scores of chosen and rejected.</summary>
public enum DpoLoss
{
    /// <summary>−log σ(z): DPO (Rafailov et al. 2023, arXiv:2305.18290).</summary>
    Sigmoid,

    /// <summary>max(0, 1 − z) (SLiC, arXiv:2305.10425).</summary>
    Hinge,

    /// <summary>(difference of mean scores per token − 1/(2β))² (IPO, arXiv:2310.12036).</summary>
    Ipo,

    /// <summary>The reverse KL divergence to smoothed preferences (EXO, arXiv:2402.00856); <see cref="DpoOptions.LabelSmoothing"/> must be above 0.</summary>
    ExoPair,

    /// <summary>Noise contrastive alignment (arXiv:2402.05369).</summary>
    NcaPair,

    /// <summary>Robust DPO for noisy preferences (arXiv:2403.00409).</summary>
    Robust,

    /// <summary>Binary classification of pairs (BCO, arXiv:2404.04656), without its running mean.</summary>
    BcoPair,

    /// <summary>Self-play preference optimization with hard labels (SPPO, arXiv:2405.00675).</summary>
    SppoHard,

    /// <summary>Alignment by optimal transport of paired margins (AOT, arXiv:2406.05882). Depends on the whole batch.</summary>
    Aot,

    /// <summary>AOT of unpaired rewards. Depends on the whole batch.</summary>
    AotUnpaired,

    /// <summary>Anchored preference optimization for a policy worse than the chosen texts (APO, arXiv:2408.06266).</summary>
    ApoZero,

    /// <summary>Anchored preference optimization for a policy better than the chosen texts.</summary>
    ApoDown,

    /// <summary>The loss that a language model discovered (DiscoPOP, arXiv:2406.08414).</summary>
    DiscoPop,

    /// <summary>Mean cross-entropy of the chosen tokens.</summary>
    Sft,

    /// <summary>DPO on mean scores per token.</summary>
    SigmoidNorm,
}
