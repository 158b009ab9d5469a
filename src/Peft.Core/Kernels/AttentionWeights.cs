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

    private const float Slack = 4;   // by which a maximum may stay below the greatest score

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

    /// <summary>
    /// Replaces scores by 2^(score − maximum of the query) and adds them to the sums. Maxima grow as scores come, and stay up to 4 below the greatest: the results of earlier scores rarely change, and rounding is no larger.
    /// </summary>
    /// <param name="scores">The scores <c>[keys, queries]</c>.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="queries">Number of queries, a multiple of 16.</param>
    /// <param name="maxima">The maxima so far.</param>
    /// <param name="sums">The sums so far.</param>
    /// <param name="factors">Receives factors of what was computed with the maxima so far, if they change.</param>
    /// <returns>True if a factor is not 1 and there are earlier results.</returns>
    public static bool Exponentiate(float* scores, int keys, int queries, float* maxima, float* sums, float* factors)
    {
        if (keys == 0) return false;
        var changes = false;
        if (Vector512.IsHardwareAccelerated)
            for (var i = 0; i < queries; i += 16) changes |= Exponentiate16(scores + i, keys, queries, maxima + i, sums + i, factors + i);
        else
            for (var i = 0; i < queries; i += 8) changes |= Exponentiate8(scores + i, keys, queries, maxima + i, sums + i, factors + i);
        return changes;
    }

    /// <summary>Replaces values by 1 / value.</summary>
    public static void Invert(float* values, int count)
    {
        for (var i = 0; i < count; i += 8) (Vector256<float>.One / Vector256.Load(values + i)).Store(values + i);
    }

    /// <summary>Multiplies rows by a factor of each query.</summary>
    /// <param name="values">[rows, queries]</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="row">Row stride.</param>
    /// <param name="queries">Number of queries, a multiple of 16.</param>
    /// <param name="factors">[queries]</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Multiply(float* values, int rows, int row, int queries, float* factors)
    {
        for (var end = values + rows * row; values < end; values += row)
            for (var i = 0; i < queries; i += 8) (Vector256.Load(values + i) * Vector256.Load(factors + i)).Store(values + i);
    }

    /// <summary>From scores s and dL/dp: p = 2^(s − maximum)·inverse, and adds Σ p·dL/dp to the means.</summary>
    /// <param name="scores">The scores, which are replaced by p.</param>
    /// <param name="slopes">dL/dp <c>[keys, queries]</c></param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of both.</param>
    /// <param name="queries">Number of queries, a multiple of 16.</param>
    /// <param name="maxima">The maximum of each query.</param>
    /// <param name="inverses">1 / Σ 2^(score − maximum) of each query.</param>
    /// <param name="means">The sum of each query so far.</param>
    public static void Weigh(float* scores, float* slopes, int keys, int row, int queries, float* maxima, float* inverses, float* means)
    {
        if (Vector512.IsHardwareAccelerated)
            for (var i = 0; i < queries; i += 16) Weigh16(scores + i, slopes + i, keys, row, maxima + i, inverses + i, means + i);
        else
            for (var i = 0; i < queries; i += 8) Weigh8(scores + i, slopes + i, keys, row, maxima + i, inverses + i, means + i);
    }

    /// <summary>dL/ds = p·(dL/dp − Σ p·dL/dp).</summary>
    /// <param name="weights">p <c>[keys, queries]</c></param>
    /// <param name="slopes">dL/dp, which is replaced by dL/ds.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="row">Row stride of both.</param>
    /// <param name="queries">Number of queries, a multiple of 16.</param>
    /// <param name="means">Σ p·dL/dp of each query.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Slope(float* weights, float* slopes, int keys, int row, int queries, float* means)
    {
        for (var end = weights + (nint)keys * row; weights < end; weights += row, slopes += row)
        {
            if (Vector512.IsHardwareAccelerated)
                for (var i = 0; i < queries; i += 16) (Vector512.Load(weights + i) * (Vector512.Load(slopes + i) - Vector512.Load(means + i))).Store(slopes + i);
            else
                for (var i = 0; i < queries; i += 8) (Vector256.Load(weights + i) * (Vector256.Load(slopes + i) - Vector256.Load(means + i))).Store(slopes + i);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static bool Exponentiate16(float* scores, int keys, int row, float* maxima, float* sums, float* factors)
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
        var (before, sum) = (Vector512.Load(maxima), Vector512.Load(sums));
        var changes = Vector512.GreaterThanAny(maximum - Vector512.Create(Slack), before);
        if (changes)
        {
            maximum = Vector512.MaxNative(before, maximum);
            var factor = Exponential.OfTwo(before - maximum);
            factor.Store(factors);
            maximum.Store(maxima);
            changes = !Vector512.EqualsAll(sum, Vector512<float>.Zero);   // before the first scores, there is nothing to change
            sum *= factor;
        }
        else
        {
            Vector512<float>.One.Store(factors);
            maximum = before;
        }
        for (var at = scores; at < end; at += step)
        {
            var e = Exponential.OfTwo(Vector512.Load(at) - maximum);
            e.Store(at);
            sum += e;
        }
        sum.Store(sums);
        return changes;
    }

    [MethodImpl(JitOptions.Loop)]
    private static bool Exponentiate8(float* scores, int keys, int row, float* maxima, float* sums, float* factors)
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
        var (before, sum) = (Vector256.Load(maxima), Vector256.Load(sums));
        var changes = Vector256.GreaterThanAny(maximum - Vector256.Create(Slack), before);
        if (changes)
        {
            maximum = Vector256.MaxNative(before, maximum);
            var factor = Exponential.OfTwo(before - maximum);
            factor.Store(factors);
            maximum.Store(maxima);
            changes = !Vector256.EqualsAll(sum, Vector256<float>.Zero);   // before the first scores, there is nothing to change
            sum *= factor;
        }
        else
        {
            Vector256<float>.One.Store(factors);
            maximum = before;
        }
        for (var at = scores; at < end; at += step)
        {
            var e = Exponential.OfTwo(Vector256.Load(at) - maximum);
            e.Store(at);
            sum += e;
        }
        sum.Store(sums);
        return changes;
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Weigh16(float* scores, float* slopes, int keys, int row, float* maxima, float* inverses, float* means)
    {
        nint step = row, count = keys * step;
        var (maximum, inverse, sum) = (Vector512.Load(maxima), Vector512.Load(inverses), Vector512.Load(means));
        for (nint i = 0; i < count; i += step)
        {
            var p = Exponential.OfTwo(Vector512.Load(scores + i) - maximum) * inverse;
            p.Store(scores + i);
            sum = Vector512.FusedMultiplyAdd(p, Vector512.Load(slopes + i), sum);
        }
        sum.Store(means);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Weigh8(float* scores, float* slopes, int keys, int row, float* maxima, float* inverses, float* means)
    {
        nint step = row, count = keys * step;
        var (maximum, inverse, sum) = (Vector256.Load(maxima), Vector256.Load(inverses), Vector256.Load(means));
        for (nint i = 0; i < count; i += step)
        {
            var p = Exponential.OfTwo(Vector256.Load(scores + i) - maximum) * inverse;
            p.Store(scores + i);
            sum = Vector256.FusedMultiplyAdd(p, Vector256.Load(slopes + i), sum);
        }
        sum.Store(means);
    }
}
