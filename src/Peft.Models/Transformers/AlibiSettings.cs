using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Attention with linear biases (ALiBi; Press et al. 2021, arXiv:2108.12409): each head adds its slope times the position of the key to the scores.</summary>
/// <param name="Slopes">The slope of each head.</param>
public sealed record AlibiSettings(IReadOnlyList<double> Slopes)
{
    /// <summary>True if positions count real tokens only, and padding has position 0 (BLOOM).</summary>
    public bool CountsRealTokens { get; init; }

    /// <summary>True if the biases are rounded to bfloat16 (Falcon).</summary>
    public bool Rounds { get; init; }

    /// <summary>Factor of the biases (Falcon scales them like the scores).</summary>
    public double Scale { get; init; } = 1;

    /// <summary>The slopes of BLOOM and Falcon: 2^(−8i/n) for the largest power of two n, then every other one of 2n for the remaining heads.</summary>
    /// <param name="heads">Number of heads.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive, or no model has that many.</exception>
    public static IReadOnlyList<double> Halving(int heads)
    {
        RequireHeads(heads);
        var power = 1 << (int)Math.Log2(heads);
        double Base(int count) => Math.Pow(2, -Math.Pow(2, -(Math.Log2(count) - 3)));
        return [.. Enumerable.Range(1, power).Select(i => Math.Pow(Base(power), i)), .. Enumerable.Range(0, heads - power).Select(i => Math.Pow(Base(2 * power), 2 * i + 1))];
    }

    /// <summary>The slopes of MPT: 2^(−8i/n) for the next power of two n; if there are fewer heads, those of even i come first.</summary>
    /// <param name="heads">Number of heads.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive, or no model has that many.</exception>
    public static IReadOnlyList<double> Spread(int heads)
    {
        RequireHeads(heads);
        var power = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)heads);
        double[] all = [.. Enumerable.Range(1, power).Select(i => Math.Pow(2, -8.0 * i / power))];
        return power == heads ? all : [.. all.Where((_, i) => i % 2 == 1).Concat(all.Where((_, i) => i % 2 == 0)).Take(heads)];
    }

    private static void RequireHeads(int heads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(heads, 1 << 16);
    }

    /// <summary>The biases of all keys, <c>[1 or batch, heads, 1, keys]</c>.</summary>
    /// <param name="keys">Number of keys.</param>
    /// <param name="real">1 for real keys, 0 for padding, <c>[batch, keys]</c>; null if all are real.</param>
    /// <param name="type">Dtype of the biases.</param>
    /// <param name="device">Device of the biases.</param>
    internal Tensor Of(long keys, Tensor? real, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        var positions = arange(Constant(0), Constant(keys), One, ScalarType.Float32, device).unsqueeze(0);
        if (CountsRealTokens && real is not null)
        {
            var counted = real.ne(Constant(0)).to_type(ScalarType.Float32);
            positions = counted.cumsum(1).sub(Constant(1)).mul(counted);
        }
        var slopes = tensor(Slopes.Select(slope => (float)slope).ToArray(), device: device).view(1, -1, 1, 1);
        if (Rounds) slopes = slopes.to_type(ScalarType.BFloat16).to_type(ScalarType.Float32);
        var bias = positions.unsqueeze(1).unsqueeze(1).mul(slopes);
        if (Rounds) bias = bias.to_type(ScalarType.BFloat16).to_type(ScalarType.Float32);
        return bias.mul(Constant(Scale)).to_type(type).MoveToOuterDisposeScope();
    }
}
