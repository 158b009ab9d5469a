namespace Peft;

/// <summary>The divergence f between policy and reference: it turns log-ratios into scores (f-DPO, arXiv:2309.16240).</summary>
public enum DpoDivergence
{
    /// <summary>The log-ratio itself.</summary>
    ReverseKl,

    /// <summary>−1/ratio.</summary>
    ForwardKl,

    /// <summary>log σ(log-ratio).</summary>
    JensenShannon,

    /// <summary>ratio^(α−1)/(α−1), the log-ratio for α = 1.</summary>
    Alpha,
}
