namespace Peft;

/// <summary>A loss of <see cref="CpoObjective"/>, by TRL's names. x is the difference of the log-probabilities of chosen and rejected.</summary>
public enum CpoLoss
{
    /// <summary>−log σ(βx) (arXiv:2401.08417).</summary>
    Sigmoid,

    /// <summary>max(0, 1 − βx) (SLiC, arXiv:2305.10425).</summary>
    Hinge,

    /// <summary>(x − 1/(2β))², x of means per token (IPO, arXiv:2310.12036).</summary>
    Ipo,

    /// <summary>−log σ(βx − γ), x of means per token (SimPO, arXiv:2405.14734). SimPO itself has <see cref="CpoOptions.CpoAlpha"/> 0.</summary>
    SimPo,
}
