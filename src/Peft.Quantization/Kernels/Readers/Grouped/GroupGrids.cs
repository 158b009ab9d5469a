using System.Runtime.CompilerServices;

namespace Peft.Quantization.Kernels;

/// <summary>The scales and zeros of a <see cref="GroupedMatrix"/>.</summary>
/// <param name="scales"><c>[out, count]</c></param>
/// <param name="zeros"><c>[out, count]</c></param>
/// <param name="zeroOffset">The offset that a zero lacks.</param>
/// <param name="count">Number of groups of a row.</param>
/// <param name="size">Inputs per group.</param>
/// <param name="groups">The group of each input; null if groups are consecutive inputs.</param>
internal readonly unsafe struct GroupGrids(FloatValues scales, byte* zeros, int zeroOffset, int count, int size, int* groups)
{
    /// <summary>Inputs per group.</summary>
    public int Size => size;

    /// <summary>True if groups are consecutive inputs.</summary>
    public bool AreInOrder => groups == null;

    /// <summary>The group of an input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Of(int input) => groups == null ? input / size : groups[input];

    /// <summary>The scale of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Scale(long row, int group) => scales[(nint)row * count + group];

    /// <summary>The zero of a group with the opposite sign: an integer, so that its sum with a code is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Shift(long row, int group) => -(zeros[(nint)row * count + group] + zeroOffset);
}
