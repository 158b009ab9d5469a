using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>The highest score of each row, on the CPU in float32: torch takes four operations for what a decode step asks of its logits.</summary>
internal static unsafe class HighestScore
{
    /// <summary>True if the kernel supports scores <c>[rows, vocabulary]</c>.</summary>
    public static bool Supports(Tensor scores) => scores.dim() == 2 && TensorMemory.Supports(scores) && scores.is_contiguous() && scores.size(1) > 0;

    /// <summary>True if the highest score of each row is finite: none is NaN or +∞, and not all are −∞.</summary>
    public static bool IsFinite(Tensor scores)
    {
        var (rows, count) = (scores.size(0), (nint)scores.size(1));
        var at = (float*)TensorAddress.Of(scores);
        for (var row = 0L; row < rows; row++, at += count)
            if (!float.IsFinite(Of(at, count))) return false;
        GC.KeepAlive(scores);
        return true;
    }

    /// <summary>The index of the highest score of each row, <c>[rows, 1]</c>: the first of several, or that of the first NaN.</summary>
    public static Tensor Indices(Tensor scores)
    {
        var (rows, count) = (scores.size(0), (nint)scores.size(1));
        var at = (float*)TensorAddress.Of(scores);
        var indices = new long[rows];
        for (var row = 0; row < rows; row++, at += count) indices[row] = IndexOf(at, count, Of(at, count));
        GC.KeepAlive(scores);
        return tensor(indices, [rows, 1]);
    }

    /// <summary>The highest score; NaN if any score is NaN.</summary>
    [MethodImpl(JitOptions.Loop)]
    public static float Of(float* scores, nint count)
    {
        var (highest, i) = (float.NegativeInfinity, (nint)0);
        if (count >= 32)
        {
            Vector256<float> a = Vector256.Load(scores), b = Vector256.Load(scores + 8), c = Vector256.Load(scores + 16), d = Vector256.Load(scores + 24);
            for (i = 32; i + 32 <= count; i += 32)
            {
                a = Vector256.Max(a, Vector256.Load(scores + i));
                b = Vector256.Max(b, Vector256.Load(scores + i + 8));
                c = Vector256.Max(c, Vector256.Load(scores + i + 16));
                d = Vector256.Max(d, Vector256.Load(scores + i + 24));
            }
            a = Vector256.Max(Vector256.Max(a, b), Vector256.Max(c, d));
            for (var lane = 0; lane < 8; lane++) highest = MathF.Max(highest, a[lane]);
        }
        for (; i < count; i++) highest = MathF.Max(highest, scores[i]);
        return highest;
    }

    [MethodImpl(JitOptions.Loop)]
    private static nint IndexOf(float* scores, nint count, float highest)
    {
        nint i = 0;
        if (float.IsNaN(highest))
        {
            while (!float.IsNaN(scores[i])) i++;
            return i;
        }
        var sought = Vector256.Create(highest);
        while (i + 8 <= count && !Vector256.EqualsAny(Vector256.Load(scores + i), sought)) i += 8;
        while (scores[i] != highest) i++;
        return i;
    }
}
