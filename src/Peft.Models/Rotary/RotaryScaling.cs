using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Changes the rotary frequencies θ^(−2i/d) for sequences longer than in pretraining: the <c>rope_type</c> of <c>config.json</c>.</summary>
public abstract record RotaryScaling
{
    private protected RotaryScaling() { }

    /// <summary>Factor of cosines and sines. The attention scores are scaled by its square.</summary>
    public virtual double AttentionFactor => 1;

    /// <summary>The scaled frequencies, <c>[rotated / 2]</c>, in float32 as in published implementations.</summary>
    /// <param name="theta">The base θ.</param>
    /// <param name="exponents">The exponents 2i/d, <c>[rotated / 2]</c>.</param>
    /// <param name="length">The result of <see cref="Regime"/>.</param>
    internal abstract Tensor Frequencies(double theta, Tensor exponents, long length);

    /// <summary>The length that determines the frequencies of a pass: equal regimes have equal frequencies.</summary>
    /// <param name="length">The pass's last position plus one.</param>
    /// <param name="before">The regime of the previous pass; 0 for none.</param>
    internal virtual long Regime(long length, long before) => 0;

    /// <summary>True if the frequencies of a pass depend on its longest sequence.</summary>
    internal virtual bool DependsOnLength => false;

    /// <summary>True if the frequencies of this regime are likely to change with the next pass, so caching them is useless.</summary>
    internal virtual bool IsPassing(long regime) => false;

    /// <summary>The reason why the scaling does not fit heads with this number of rotated dimensions; null if it does.</summary>
    internal virtual string? Misfit(int rotated) => null;

    /// <summary>θ^x in float32.</summary>
    private protected static Tensor Power(double theta, Tensor exponents) => tensor((float)theta, device: exponents.device).pow(exponents);
}
