namespace Peft;

/// <summary>A <see cref="DeltaLayer"/> whose update is a low-rank product. It then runs as one fused operation, and is exported without a decomposition.</summary>
public interface ILowRank
{
    /// <summary>ΔW as low-rank factors, if the layer is exactly such an update; null otherwise.</summary>
    LowRankUpdate? AsProduct { get; }
}
