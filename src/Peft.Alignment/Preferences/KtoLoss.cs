namespace Peft;

/// <summary>A loss of <see cref="KtoObjective"/>, by TRL's names. a is the log-ratio of policy and reference.</summary>
public enum KtoLoss
{
    /// <summary>1 − σ(β(a − z₀)) for desirable texts, 1 − σ(β(z₀ − a)) for undesirable ones (KTO, arXiv:2402.01306).</summary>
    Kto,

    /// <summary>1 − σ(βa) for desirable texts, σ(βa) for undesirable ones, without z₀ (unpaired APO, arXiv:2408.06266).</summary>
    ApoZeroUnpaired,
}
