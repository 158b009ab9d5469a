using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>Eight lanes: AVX2, or two vectors of NEON.</summary>
internal readonly unsafe struct Lanes8(Vector256<float> vector) : ILanes<Lanes8>
{
    private readonly Vector256<float> vector = vector;

    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Load(float* from) => new(Vector256.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Of(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 MultiplyAdd(Lanes8 a, Lanes8 b, Lanes8 sum) => new(Vector256.FusedMultiplyAdd(a.vector, b.vector, sum.vector));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes8 lanes) => Vector256.Sum(lanes.vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => vector.Store(to);
}
