using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The largest absolute value of a block, from which its scale follows.</summary>
internal static unsafe class LargestMagnitude
{
    /// <summary>Returns max |v|; 0 if there are no values.</summary>
    /// <param name="values">The values.</param>
    /// <param name="count">Their number.</param>
    [MethodImpl(JitOptions.Loop)]
    public static float Of(float* values, int count)
    {
        var most = Vector256<float>.Zero;
        var i = 0;
        for (; i + 8 <= count; i += 8) most = Vector256.Max(most, Vector256.Abs(Vector256.Load(values + i)));
        var largest = 0f;
        for (var lane = 0; lane < 8; lane++) largest = MathF.Max(largest, most[lane]);
        for (; i < count; i++) largest = MathF.Max(largest, MathF.Abs(values[i]));
        return largest;
    }
}
