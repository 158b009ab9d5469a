using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>What <see cref="TokenLossKernel"/> knows about a row's logits z so far: the highest one, m, and sums of e^(z − m) over all tokens but the target.</summary>
// In float64: a float32 sum of 50,000 terms would lose two digits.
internal unsafe struct TokenSums
{
    private const float Lowest = -88;   // e^x is 0 below

    private float highest, target;
    private double others, weighted, squares, total;

    /// <summary>The sums of no logits.</summary>
    public static TokenSums None => new() { highest = float.NegativeInfinity };

    /// <summary>Σ e^(z − m) of the other tokens.</summary>
    public readonly double Others => others;

    /// <summary>Σ e^(z − m) of all tokens; NaN if the highest logit is not finite.</summary>
    public readonly double All => others + OfTarget;

    /// <summary>log p of the target.</summary>
    public readonly double LogProbability => (double)target - highest - Math.Log(All);

    /// <summary>−Σ p·log p.</summary>
    public readonly double Entropy => Math.Log(All) - (weighted + OfTarget * ((double)target - highest)) / All;

    /// <summary>log Σ p².</summary>
    public readonly double LogSquaredSum => Math.Log(squares + OfTarget * OfTarget) - 2 * Math.Log(All);

    /// <summary>Σ z.</summary>
    public readonly double Total => total;

    /// <summary>True if no token is more probable than the target.</summary>
    public readonly bool IsGreedy => target >= highest;

    private readonly double OfTarget => Math.Exp((double)target - highest);

    /// <summary>Adds logits, and replaces them by e^(z − m), and the target's by 0.</summary>
    /// <param name="z">The logits.</param>
    /// <param name="count">Their number.</param>
    /// <param name="at">Index of the target, which may be outside.</param>
    /// <param name="scale">Factor of the logits.</param>
    /// <param name="statistics">True to collect the sums for statistics too.</param>
    /// <returns>The factor by which previous values of e^(z − m) have changed, since m has.</returns>
    public float Add(float* z, nint count, long at, float scale, bool statistics)
    {
        if (scale != 1) Scale(z, count, scale);
        var most = HighestScore.Of(z, count);
        if (!float.IsFinite(most) && most != float.NegativeInfinity) highest = float.NaN;
        if (float.IsNaN(highest) || most == float.NegativeInfinity)
        {
            new Span<float>(z, (int)count).Clear();
            if (at >= 0 && at < count) target = most;
            return 1;
        }
        if (statistics) total += Sum(z, count);
        if (at >= 0 && at < count)
        {
            target = z[at];
            z[at] = float.NegativeInfinity;
        }
        var factor = 1f;
        if (most > highest)
        {
            var exact = Math.Exp((double)highest - most);
            if (others > 0 && statistics)
            {
                weighted = exact * (weighted + others * ((double)highest - most));
                squares *= exact * exact;
            }
            others *= exact;
            (factor, highest) = ((float)exact, most);
        }
        if (statistics) AddMoments(z, count);
        others += Exponentials(z, count, highest);
        return factor;
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Scale(float* z, nint count, float scale)
    {
        nint i = 0;
        for (var scales = Vector256.Create(scale); i + 8 <= count; i += 8) (Vector256.Load(z + i) * scales).Store(z + i);
        for (; i < count; i++) z[i] *= scale;
    }

    [MethodImpl(JitOptions.Loop)]
    private static double Sum(float* z, nint count)
    {
        var sums = Vector256<float>.Zero;
        nint i = 0;
        for (; i + 8 <= count; i += 8) sums += Vector256.Load(z + i);
        var sum = (double)Vector256.Sum(sums);
        for (; i < count; i++) sum += z[i];
        return sum;
    }

    [MethodImpl(JitOptions.Loop)]
    private static double Exponentials(float* z, nint count, float highest)
    {
        Vector256<float> shift = Vector256.Create(highest), a = default, b = default;
        nint i = 0;
        for (; i + 16 <= count; i += 16)
        {
            var (first, second) = (Exponential.OrZero(Vector256.Load(z + i) - shift), Exponential.OrZero(Vector256.Load(z + i + 8) - shift));
            first.Store(z + i);
            second.Store(z + i + 8);
            a += first;
            b += second;
        }
        var sum = (double)Vector256.Sum(a + b);
        for (; i < count; i++) sum += z[i] = Exponential.OrZero(Vector256.Create(z[i] - highest))[0];
        return sum;
    }

    [MethodImpl(JitOptions.Loop)]
    private void AddMoments(float* z, nint count)
    {
        Vector256<float> shift = Vector256.Create(highest), first = default, second = default;
        nint i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var x = Vector256.MaxNative(Vector256.Create(Lowest), Vector256.Load(z + i) - shift);
            var e = Exponential.OrZero(x);
            first = Vector256.FusedMultiplyAdd(e, x, first);
            second = Vector256.FusedMultiplyAdd(e, e, second);
        }
        var (ofFirst, ofSecond) = ((double)Vector256.Sum(first), (double)Vector256.Sum(second));
        for (; i < count; i++)
        {
            var x = MathF.Max(Lowest, z[i] - highest);
            var e = (double)Exponential.OrZero(Vector256.Create(x))[0];
            ofFirst += e * x;
            ofSecond += e * e;
        }
        weighted += ofFirst;
        squares += ofSecond;
    }
}
