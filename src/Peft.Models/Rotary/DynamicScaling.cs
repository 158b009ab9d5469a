using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// NTK-aware scaling that grows with the text: up to <paramref name="MaxPositions"/> nothing changes; for a text of length n beyond them
/// θ becomes θ·(f·n/m − (f − 1))^(d/(d − 2)), with the factor f, m the positions, d the rotating dimensions.
/// </summary>
/// <remarks>
/// As in transformers, n is the longest length since a pass was last shorter than m: with a key/value cache each longer pass turns its own
/// queries and keys by new frequencies and leaves the cached keys as they are.
/// </remarks>
/// <param name="Factor">f, at least 1.</param>
/// <param name="MaxPositions">m: <c>max_position_embeddings</c>.</param>
public sealed record DynamicScaling(double Factor, int MaxPositions) : RotaryScaling
{
    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var d = Math.Round(2 / exponents[1].item<float>());   // of an odd number the last turns a pair alone
        return Power(theta * Math.Pow((Factor * length / MaxPositions) - (Factor - 1), d / (d - 2)), exponents).reciprocal();
    }

    internal override long Regime(long length, long before)
    {
        var longest = Math.Max(before, MaxPositions);
        return length > longest ? length : length < MaxPositions ? MaxPositions : longest;
    }

    internal override bool IsPassing(long regime) => regime > MaxPositions;

    internal override string? Misfit(int rotated) => rotated > 2 ? null : $"rope_type 'dynamic' needs more than 2 rotating dimensions per head, but there are {rotated}.";
}
