namespace Peft;

/// <summary>A layer whose update of the weight is a low-rank product. It then takes part in the kernels of layers, and is exported without a decomposition.</summary>
public interface ILowRank
{
    /// <summary>True if the layer does nothing else in this pass, apart from dropout of its input (<see cref="DeltaLayer.Dropout"/>).</summary>
    bool IsLowRank { get; }

    /// <summary>ΔW as factors: parameters, or tensors that are computed from them.</summary>
    LowRankUpdate Factors();
}
