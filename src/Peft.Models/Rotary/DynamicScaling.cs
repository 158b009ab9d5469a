using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Dynamic NTK scaling, which depends on the length of the sequence: up to <paramref name="MaxPositions"/> nothing changes; for a longer sequence of length n
/// θ becomes θ·(f·n/m − (f − 1))^(d/(d − 2)), with the factor f, the number of positions m, and the number of rotated dimensions d.
/// </summary>
/// <remarks>
/// As in transformers, n is the maximum length since the last pass shorter than m. With a KV cache, each longer pass rotates its own
/// queries and keys with new frequencies and leaves the cached keys unchanged.
/// </remarks>
/// <param name="Factor">The factor f, at least 1.</param>
/// <param name="MaxPositions">The number of positions m: <c>max_position_embeddings</c>.</param>
public sealed record DynamicScaling(double Factor, int MaxPositions) : RotaryScaling
{
    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var d = Math.Round(2 / exponents[1].item<float>());   // an odd number of dimensions is rounded up to full pairs
        return Power(theta * Math.Pow((Factor * length / MaxPositions) - (Factor - 1), d / (d - 2)), exponents).reciprocal();
    }

    internal override long Regime(long length, long before)
    {
        var longest = Math.Max(before, MaxPositions);
        return length > longest ? length : length < MaxPositions ? MaxPositions : longest;
    }

    internal override bool DependsOnLength => true;

    internal override bool IsPassing(long regime) => regime > MaxPositions;

    internal override string? Misfit(int rotated) => rotated > 2 ? null : $"rope_type 'dynamic' needs more than 2 rotated dimensions per head, but there are {rotated}.";
}
