using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary><see cref="DropoutMask"/> of attention weights: whether one is dropped is a function of the seed, its head, its query and its key.</summary>
internal static class AttentionDropout
{
    /// <summary>Applies dropout to values <c>[keys, 16 queries]</c>: each becomes 0, or is multiplied by 1/(1 − p).</summary>
    /// <param name="dropout">Probability and seed.</param>
    /// <param name="values">The values.</param>
    /// <param name="span">The sequence.</param>
    /// <param name="head">Index of the head.</param>
    /// <param name="query">Position of the first query.</param>
    /// <param name="key">Position of the first key.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of the values.</param>
    public static unsafe void Apply(this DropoutMask dropout, float* values, AttentionSpan span, int head, int query, int key, int keys, int row)
    {
        var (threshold, factor) = (Vector256.Create((uint)(dropout.Probability * uint.MaxValue)), Vector256.Create((float)(1 / (1 - dropout.Probability))));
        var (left, right) = (Lanes(span.Row(query)), Lanes(span.Row(query) + 8));
        var ofHead = RandomBits.Mix(dropout.Seed + (uint)head * 0x9E3779B9);
        for (var i = 0; i < keys; i++, values += row)
        {
            var ofKey = Vector256.Create(RandomBits.Mix(ofHead + (uint)span.Row(key + i) * 0x85EBCA6B));
            Keep(values, RandomBits.Mix(ofKey ^ left), threshold, factor);
            Keep(values + 8, RandomBits.Mix(ofKey ^ right), threshold, factor);
        }
    }

    private static Vector256<uint> Lanes(int first) => (Vector256.Create((uint)first) + Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7)) * 0xC2B2AE35u;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Keep(float* at, Vector256<uint> random, Vector256<uint> threshold, Vector256<float> factor)
        => (Vector256.GreaterThanOrEqual(random, threshold).AsSingle() & (Vector256.Load(at) * factor)).Store(at);
}
