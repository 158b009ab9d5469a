namespace Peft;

/// <summary>A loss of <see cref="TpoObjective"/>, by TRL's names. x is the difference of the log-probabilities of chosen and rejected.</summary>
public enum TpoLoss
{
    /// <summary>−log σ(βx).</summary>
    Sigmoid,

    /// <summary>max(0, 1 − βx).</summary>
    Hinge,

    /// <summary>(x − 1/(2β))², x of means per token.</summary>
    Ipo,

    /// <summary>−log σ(βx − γ), x of means per token: TPO-L.</summary>
    TpoL,
}
