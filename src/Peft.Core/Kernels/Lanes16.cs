using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>Sixteen lanes: AVX-512.</summary>
internal readonly unsafe struct Lanes16(Vector512<float> vector) : ILanes<Lanes16>
{
    private readonly Vector512<float> vector = vector;

    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Load(float* from) => new(Vector512.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Of(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 MultiplyAdd(Lanes16 a, Lanes16 b, Lanes16 sum) => new(Vector512.FusedMultiplyAdd(a.vector, b.vector, sum.vector));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes16 lanes) => Vector512.Sum(lanes.vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => vector.Store(to);
}
