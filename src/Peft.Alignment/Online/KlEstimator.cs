namespace Peft;

/// <summary>An estimate of the divergence of policy and reference from sampled tokens, with d = log p of the reference − log p of the policy (Schulman).</summary>
public enum KlEstimator
{
    /// <summary>−d: unbiased.</summary>
    K1,

    /// <summary>e^d − 1 − d: unbiased, never negative, of less variance.</summary>
    K3,
}
