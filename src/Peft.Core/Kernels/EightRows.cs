using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>Eight rows of a product in registers: each row adds factor · vector for all vectors, and no sum runs across a vector. Eight independent sums hide the latency.</summary>
/// <remarks>One method for each width: behind a generic type of vectors, a step of 16 rows took a fifth longer.</remarks>
internal static unsafe class EightRows
{
    /// <summary>Number of rows.</summary>
    public const int Count = 8;

    /// <summary>Adds the products of some vectors of 16 to the sums of eight rows, and fetches a cache line ahead for each vector into the L2 cache.</summary>
    /// <param name="factors">The factors, <c>[8, depth]</c>.</param>
    /// <param name="factorRow">Distance of their rows.</param>
    /// <param name="vectors">The vectors, <c>[depth, 16]</c>.</param>
    /// <param name="vectorRow">Distance of the vectors.</param>
    /// <param name="sums">The sums, <c>[8, 16]</c>.</param>
    /// <param name="sumRow">Distance of their rows.</param>
    /// <param name="depth">Number of vectors.</param>
    /// <param name="ahead">What is fetched. It may be outside any allocation.</param>
    /// <param name="aheadRow">Distance of what is fetched for one vector and for the next.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Sixteen(float* factors, nint factorRow, float* vectors, nint vectorRow, float* sums, nint sumRow, int depth, float* ahead, nint aheadRow)
    {
        nint twice = 2 * factorRow, sumTwice = 2 * sumRow;
        float* f3 = factors + 3 * factorRow, f6 = f3 + 3 * factorRow, sums3 = sums + 3 * sumRow, sums6 = sums3 + 3 * sumRow;
        Vector512<float> s0 = Vector512.Load(sums), s1 = Vector512.Load(sums + sumRow), s2 = Vector512.Load(sums + sumTwice), s3 = Vector512.Load(sums3), s4 = Vector512.Load(sums3 + sumRow), s5 = Vector512.Load(sums3 + sumTwice), s6 = Vector512.Load(sums6), s7 = Vector512.Load(sums6 + sumRow);
        for (var end = factors + depth; factors < end; factors++, f3++, f6++, vectors += vectorRow, ahead += aheadRow)
        {
            Prefetch.Far(ahead);
            var vector = Vector512.Load(vectors);
            s0 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(*factors), s0);
            s1 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(factors[factorRow]), s1);
            s2 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(factors[twice]), s2);
            s3 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(*f3), s3);
            s4 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(f3[factorRow]), s4);
            s5 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(f3[twice]), s5);
            s6 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(*f6), s6);
            s7 = Vector512.FusedMultiplyAdd(vector, Vector512.Create(f6[factorRow]), s7);
        }
        s0.Store(sums);
        s1.Store(sums + sumRow);
        s2.Store(sums + sumTwice);
        s3.Store(sums3);
        s4.Store(sums3 + sumRow);
        s5.Store(sums3 + sumTwice);
        s6.Store(sums6);
        s7.Store(sums6 + sumRow);
    }

    /// <inheritdoc cref="Sixteen"/>
    /// <summary>The same for vectors of 8.</summary>
    [MethodImpl(JitOptions.Loop)]
    public static void Eight(float* factors, nint factorRow, float* vectors, nint vectorRow, float* sums, nint sumRow, int depth, float* ahead, nint aheadRow)
    {
        nint twice = 2 * factorRow, sumTwice = 2 * sumRow;
        float* f3 = factors + 3 * factorRow, f6 = f3 + 3 * factorRow, sums3 = sums + 3 * sumRow, sums6 = sums3 + 3 * sumRow;
        Vector256<float> s0 = Vector256.Load(sums), s1 = Vector256.Load(sums + sumRow), s2 = Vector256.Load(sums + sumTwice), s3 = Vector256.Load(sums3), s4 = Vector256.Load(sums3 + sumRow), s5 = Vector256.Load(sums3 + sumTwice), s6 = Vector256.Load(sums6), s7 = Vector256.Load(sums6 + sumRow);
        for (var end = factors + depth; factors < end; factors++, f3++, f6++, vectors += vectorRow, ahead += aheadRow)
        {
            Prefetch.Far(ahead);
            var vector = Vector256.Load(vectors);
            s0 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(*factors), s0);
            s1 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(factors[factorRow]), s1);
            s2 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(factors[twice]), s2);
            s3 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(*f3), s3);
            s4 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(f3[factorRow]), s4);
            s5 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(f3[twice]), s5);
            s6 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(*f6), s6);
            s7 = Vector256.FusedMultiplyAdd(vector, Vector256.Create(f6[factorRow]), s7);
        }
        s0.Store(sums);
        s1.Store(sums + sumRow);
        s2.Store(sums + sumTwice);
        s3.Store(sums3);
        s4.Store(sums3 + sumRow);
        s5.Store(sums3 + sumTwice);
        s6.Store(sums6);
        s7.Store(sums6 + sumRow);
    }
}
