using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>A vector of float32 values of some width, so that a kernel is written once for all vector widths.</summary>
internal unsafe interface ILanes<T> where T : unmanaged, ILanes<T>
{
    /// <summary>Number of values in a vector.</summary>
    static abstract int Count { get; }

    static abstract T Load(float* from);

    /// <summary>A vector with the same value in all lanes.</summary>
    static abstract T Of(float value);

    /// <summary>a·b + sum.</summary>
    static abstract T MultiplyAdd(T a, T b, T sum);

    static abstract float Sum(T lanes);

    void Store(float* to);
}

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
