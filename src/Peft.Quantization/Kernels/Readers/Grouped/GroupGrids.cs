using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

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
    /// <summary>Number of groups of a row.</summary>
    public int Count => count;

    /// <summary>Inputs per group.</summary>
    public int Size => size;

    /// <summary>True if groups are consecutive inputs.</summary>
    public bool AreInOrder => groups == null;

    /// <summary>The group of an input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Of(int input) => groups == null ? input / size : groups[input];

    /// <summary>Reads the scales and shifts of some groups. A shift is the zero with the opposite sign: an integer, so that its sum with a code is exact.</summary>
    /// <param name="row">The row.</param>
    /// <param name="first">The first group.</param>
    /// <param name="number">Number of groups.</param>
    /// <param name="scale">Takes the scales.</param>
    /// <param name="shift">Takes the shifts.</param>
    [MethodImpl(JitOptions.Loop)]
    public void Read(long row, int first, int number, float* scale, float* shift)
    {
        var at = (nint)row * count + first;
        scales.Read(at, number, scale);
        var i = 0;
        for (var from = zeros + at; i + 16 <= number; i += 16)
        {
            var (first8, last8) = Vector128.Widen(Vector128.Load(from + i));
            Negate(first8, shift + i);
            Negate(last8, shift + i + 8);
        }
        for (; i < number; i++) shift[i] = -(zeros[at + i] + zeroOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Negate(Vector128<ushort> numbers, float* to)
    {
        var offset = Vector128.Create(-zeroOffset);
        Vector128.ConvertToSingle(offset - Vector128.WidenLower(numbers).AsInt32()).Store(to);
        Vector128.ConvertToSingle(offset - Vector128.WidenUpper(numbers).AsInt32()).Store(to + 4);
    }
}
