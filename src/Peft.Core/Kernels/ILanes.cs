using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>A vector of float32 values of some width, so that a kernel is written once for all vector widths.</summary>
internal unsafe interface ILanes<T> where T : unmanaged, ILanes<T>
{
    /// <summary>Number of values in a vector.</summary>
    static abstract int Count { get; }

    static abstract T Load(float* from);

    /// <summary>Creates a vector with the same value in all lanes.</summary>
    static abstract T Of(float value);

    /// <summary>Computes a·b + sum.</summary>
    static abstract T MultiplyAdd(T a, T b, T sum);

    static abstract float Sum(T lanes);

    void Store(float* to);
}
