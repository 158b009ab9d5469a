using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>How rotary frequencies θ^(−2i/d) are changed for texts longer than those that a model was first trained on: the <c>rope_type</c> of <c>config.json</c>.</summary>
public abstract record RotaryScaling
{
    private protected RotaryScaling() { }

    /// <summary>Factor of cosines and sines: the scores grow by its square.</summary>
    public virtual double AttentionFactor => 1;

    /// <summary>The changed frequencies, <c>[rotated / 2]</c>, in float32 as published implementations compute them.</summary>
    /// <param name="theta">The base θ.</param>
    /// <param name="exponents">2i/d, <c>[rotated / 2]</c>.</param>
    /// <param name="length">What <see cref="Regime"/> said.</param>
    internal abstract Tensor Frequencies(double theta, Tensor exponents, long length);

    /// <summary>The length that decides on the frequencies of a pass; equal lengths mean equal frequencies.</summary>
    /// <param name="length">The pass's last position and one.</param>
    /// <param name="before">The regime of the pass before; 0 for none.</param>
    internal virtual long Regime(long length, long before) => 0;

    /// <summary>Whether passes of this regime may each have frequencies of their own, so that tables would not be used again.</summary>
    internal virtual bool IsPassing(long regime) => false;

    /// <summary>Says what does not fit heads of which so many dimensions rotate; null if all fits.</summary>
    internal virtual string? Misfit(int rotated) => null;

    /// <summary>θ^x in float32.</summary>
    private protected static Tensor Power(double theta, Tensor exponents) => tensor((float)theta, device: exponents.device).pow(exponents);
}
