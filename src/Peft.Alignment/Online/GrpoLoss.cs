namespace Peft;

/// <summary>A loss of <see cref="GrpoObjective"/>, by TRL's names. ρ is the ratio of the policy's probability to that at generation, A the advantage.</summary>
public enum GrpoLoss
{
    /// <summary>−min(ρA, clip(ρ)A), summed over tokens and divided by the tokens of all completions that were generated together (DAPO, arXiv:2503.14476).</summary>
    Dapo,

    /// <summary>The same, mean per completion, then over completions (DeepSeekMath, arXiv:2402.03300).</summary>
    Grpo,

    /// <summary>The same, divided by the tokens of the batch.</summary>
    Bnpo,

    /// <summary>The same, divided by the number of completions times <see cref="RolloutOptions.MaxCompletionLength"/> (Dr. GRPO, arXiv:2503.20783).</summary>
    DrGrpo,

    /// <summary>−min(ρ, bound)·A·log p, the first factor without a gradient (CISPO, arXiv:2506.13585). <see cref="GrpoOptions.EpsilonHigh"/> is the bound itself, such as 5.</summary>
    Cispo,

    /// <summary>−(4/τ)·σ(τ(ρ − 1))·A: a soft gate in place of the clip (SAPO, arXiv:2511.20347).</summary>
    Sapo,

    /// <summary>The clipped loss of a whole completion, times its length (LUSPO, arXiv:2602.05261). Needs <see cref="ImportanceLevel.Sequence"/>.</summary>
    Luspo,

    /// <summary>−φ(W)·A·log p with W the ratio of whole completions and φ without a gradient (VESPO, arXiv:2602.10693).</summary>
    Vespo,

    /// <summary>The geometric mean over tokens of ratios that are clipped to e^±ε (GMPO, arXiv:2507.20673); the paper has <see cref="GrpoOptions.Epsilon"/> 0.4.</summary>
    Gmpo,
}
