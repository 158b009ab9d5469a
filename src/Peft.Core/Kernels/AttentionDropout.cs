using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Dropout of attention weights. Whether a weight is dropped is a function of a seed, its head, its query and its key, so that the backward pass recomputes the mask instead of storing it.
/// </summary>
/// <param name="Probability">The probability, below 1.</param>
/// <param name="Seed">The seed of this forward pass.</param>
internal readonly record struct AttentionDropout(double Probability, uint Seed)
{
    /// <summary>Creates dropout with a seed from torch's generator, or none.</summary>
    /// <param name="probability">The probability, below 1; 0 for none.</param>
    public static AttentionDropout? Draw(double probability)
    {
        if (probability == 0) return null;
        using var seed = randint(0, 1L << 32, [1], ScalarType.Int64);
        return new(probability, (uint)seed.item<long>());
    }

    /// <summary>Applies dropout to values <c>[keys, 16 queries]</c>: each becomes 0, or is multiplied by 1/(1 − p).</summary>
    /// <param name="values">The values.</param>
    /// <param name="span">The sequence.</param>
    /// <param name="head">Index of the head.</param>
    /// <param name="query">Position of the first query.</param>
    /// <param name="key">Position of the first key.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of the values.</param>
    public unsafe void Apply(float* values, AttentionSpan span, int head, int query, int key, int keys, int row)
    {
        var (threshold, factor) = (Vector256.Create((uint)(Probability * uint.MaxValue)), Vector256.Create((float)(1 / (1 - Probability))));
        var (left, right) = (Lanes(span.Row(query)), Lanes(span.Row(query) + 8));
        var ofHead = Mix(Seed + (uint)head * 0x9E3779B9);
        for (var i = 0; i < keys; i++, values += row)
        {
            var ofKey = Vector256.Create(Mix(ofHead + (uint)span.Row(key + i) * 0x85EBCA6B));
            Keep(values, Mix(ofKey ^ left), threshold, factor);
            Keep(values + 8, Mix(ofKey ^ right), threshold, factor);
        }
    }

    private static Vector256<uint> Lanes(int first) => (Vector256.Create((uint)first) + Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7)) * 0xC2B2AE35u;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Keep(float* at, Vector256<uint> random, Vector256<uint> threshold, Vector256<float> factor)
        => (Vector256.GreaterThanOrEqual(random, threshold).AsSingle() & (Vector256.Load(at) * factor)).Store(at);

    // The integer hash "lowbias32" of Chris Wellons (hash-prospector, in the public domain): every bit of the input changes about half of the bits of the output.
    private static uint Mix(uint x)
    {
        x = (x ^ (x >> 16)) * 0x7FEB352D;
        x = (x ^ (x >> 15)) * 0x846CA68B;
        return x ^ (x >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Mix(Vector256<uint> x)
    {
        x = (x ^ (x >>> 16)) * 0x7FEB352Du;
        x = (x ^ (x >>> 15)) * 0x846CA68Bu;
        return x ^ (x >>> 16);
    }
}
