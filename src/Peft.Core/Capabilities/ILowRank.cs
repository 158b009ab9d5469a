namespace Peft;

/// <summary>A <see cref="DeltaLayer"/> whose update is a low-rank product. It then runs as one fused operation, and is exported without a decomposition.</summary>
public interface ILowRank
{
    /// <summary>True if the layer is exactly such an update, apart from dropout of its input (<see cref="DeltaLayer.Dropout"/>).</summary>
    bool IsLowRank { get; }

    /// <summary>ΔW as factors: parameters, or tensors that are computed from them.</summary>
    LowRankUpdate Factors();
}
