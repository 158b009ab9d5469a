using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// Softmax of scores <c>[keys, 16 queries]</c>, which are logarithms to base 2 and may be columns of a wider matrix, and its backward pass. A vector holds scores of one key, so that maxima and sums over keys stay in their lanes.
/// </summary>
internal static unsafe class AttentionWeights
{
    /// <summary>Number of queries: one vector of AVX-512, or two.</summary>
    public const int Queries = 16;

    /// <summary>Hides the keys to which a query does not attend.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="key">Position of the first key.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of the scores.</param>
    /// <param name="query">Position of the first query.</param>
    /// <param name="window">Number of positions that a query attends to, including itself; null for all preceding ones.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Hide(float* scores, int key, int keys, int row, int query, int? window)
    {
        for (var i = Math.Max(0, query + 1 - key); i < keys; i++) HideLanes(scores + i * row, 0, key + i - query);
        if (window is not { } width) return;
        for (var i = 0; i < Math.Min(keys, query + Queries - width - key); i++) HideLanes(scores + i * row, key + i + width - query, Queries);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HideLanes(float* scores, int from, int to)
    {
        var lanes = Vector256<int>.Indices;
        for (var i = 0; i < Queries; i += 8, lanes += Vector256.Create(8))
        {
            var hidden = Vector256.GreaterThanOrEqual(lanes, Vector256.Create(from)) & Vector256.LessThan(lanes, Vector256.Create(to));
            Vector256.ConditionalSelect(hidden.AsSingle(), Vector256.Create(float.NegativeInfinity), Vector256.Load(scores + i)).Store(scores + i);
        }
    }

    /// <summary>Replaces scores by 2^(score − maximum of the query).</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of the scores.</param>
    /// <param name="maxima">Receives the maxima.</param>
    /// <param name="inverses">Receives 1 / the sums of the results.</param>
    public static void Exponentiate(float* scores, int keys, int row, float* maxima, float* inverses)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Exponentiate16(scores, keys, row, maxima, inverses);
            return;
        }
        Exponentiate8(scores, keys, row, maxima, inverses);
        Exponentiate8(scores + 8, keys, row, maxima + 8, inverses + 8);
    }

    /// <summary>Multiplies rows of queries by a factor of each query.</summary>
    /// <param name="values">[rows, queries]</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="queries">Number of queries, a multiple of 16.</param>
    /// <param name="factors">[queries]</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Multiply(float* values, int rows, int queries, float* factors)
    {
        for (var end = values + rows * queries; values < end; values += queries)
            for (var i = 0; i < queries; i += 8) (Vector256.Load(values + i) * Vector256.Load(factors + i)).Store(values + i);
    }

    /// <summary>From scores s and dL/dp: p = 2^(s − maximum)·inverse, then dL/ds = p·(dL/dp − Σ p·dL/dp).</summary>
    /// <param name="scores">The scores, which are replaced by p.</param>
    /// <param name="slopes">dL/dp, which is replaced by dL/ds; <c>[keys, 16 queries]</c>.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of the scores.</param>
    /// <param name="maxima">The maximum of each query.</param>
    /// <param name="inverses">1 / Σ 2^(score − maximum) of each query.</param>
    public static void Slope(float* scores, float* slopes, int keys, int row, float* maxima, float* inverses)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Slope16(scores, slopes, keys, row, maxima, inverses);
            return;
        }
        Slope8(scores, slopes, keys, row, maxima, inverses);
        Slope8(scores + 8, slopes + 8, keys, row, maxima + 8, inverses + 8);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Exponentiate16(float* scores, int keys, int row, float* maxima, float* inverses)
    {
        nint step = row;
        var end = scores + keys * step;
        // Two maxima hide the latency.
        var (maximum, other) = (Vector512.Load(scores), Vector512.Load(end - step));
        for (var at = scores + step; at + step < end; at += 2 * step)
        {
            maximum = Vector512.MaxNative(maximum, Vector512.Load(at));
            other = Vector512.MaxNative(other, Vector512.Load(at + step));
        }
        maximum = Vector512.MaxNative(maximum, other);
        var sum = Vector512<float>.Zero;
        for (var at = scores; at < end; at += step)
        {
            var e = Exponential.OfTwo(Vector512.Load(at) - maximum);
            e.Store(at);
            sum += e;
        }
        maximum.Store(maxima);
        (Vector512<float>.One / sum).Store(inverses);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Exponentiate8(float* scores, int keys, int row, float* maxima, float* inverses)
    {
        nint step = row;
        var end = scores + keys * step;
        // Two maxima hide the latency.
        var (maximum, other) = (Vector256.Load(scores), Vector256.Load(end - step));
        for (var at = scores + step; at + step < end; at += 2 * step)
        {
            maximum = Vector256.MaxNative(maximum, Vector256.Load(at));
            other = Vector256.MaxNative(other, Vector256.Load(at + step));
        }
        maximum = Vector256.MaxNative(maximum, other);
        var sum = Vector256<float>.Zero;
        for (var at = scores; at < end; at += step)
        {
            var e = Exponential.OfTwo(Vector256.Load(at) - maximum);
            e.Store(at);
            sum += e;
        }
        maximum.Store(maxima);
        (Vector256<float>.One / sum).Store(inverses);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Slope16(float* scores, float* slopes, int keys, int row, float* maxima, float* inverses)
    {
        nint step = row, count = keys * step;
        var (maximum, inverse, sum) = (Vector512.Load(maxima), Vector512.Load(inverses), Vector512<float>.Zero);
        for (nint i = 0; i < count; i += step)
        {
            var p = Exponential.OfTwo(Vector512.Load(scores + i) - maximum) * inverse;
            p.Store(scores + i);
            sum = Vector512.FusedMultiplyAdd(p, Vector512.Load(slopes + i), sum);
        }
        for (nint i = 0; i < count; i += step) (Vector512.Load(scores + i) * (Vector512.Load(slopes + i) - sum)).Store(slopes + i);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Slope8(float* scores, float* slopes, int keys, int row, float* maxima, float* inverses)
    {
        nint step = row, count = keys * step;
        var (maximum, inverse, sum) = (Vector256.Load(maxima), Vector256.Load(inverses), Vector256<float>.Zero);
        for (nint i = 0; i < count; i += step)
        {
            var p = Exponential.OfTwo(Vector256.Load(scores + i) - maximum) * inverse;
            p.Store(scores + i);
            sum = Vector256.FusedMultiplyAdd(p, Vector256.Load(slopes + i), sum);
        }
        for (nint i = 0; i < count; i += step) (Vector256.Load(scores + i) * (Vector256.Load(slopes + i) - sum)).Store(slopes + i);
    }
}
