using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Peft.Quantization.Kernels;

/// <summary>Elements of two vectors in turn, a₀ b₀ a₁ b₁ …, and back.</summary>
internal static unsafe class Interleaving
{
    /// <summary>From the first halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Low(Vector128<byte> a, Vector128<byte> b)
        => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
            : (Vector128.WidenLower(a) | Vector128.ShiftLeft(Vector128.WidenLower(b), 8)).AsByte();

    /// <summary>From the second halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> High(Vector128<byte> a, Vector128<byte> b)
        => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
            : (Vector128.WidenUpper(a) | Vector128.ShiftLeft(Vector128.WidenUpper(b), 8)).AsByte();

    /// <inheritdoc cref="Low(Vector128{byte}, Vector128{byte})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Low(Vector128<ushort> a, Vector128<ushort> b)
        => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
            : (Vector128.WidenLower(a) | Vector128.ShiftLeft(Vector128.WidenLower(b), 16)).AsUInt16();

    /// <inheritdoc cref="High(Vector128{byte}, Vector128{byte})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> High(Vector128<ushort> a, Vector128<ushort> b)
        => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
            : (Vector128.WidenUpper(a) | Vector128.ShiftLeft(Vector128.WidenUpper(b), 16)).AsUInt16();

    /// <summary>Of each 32 values those at even indices, then those at odd ones.</summary>
    /// <param name="x">The values.</param>
    /// <param name="count">Number of values, a multiple of 32.</param>
    /// <param name="to">Takes them.</param>
    /// <returns>Where they are.</returns>
    public static float* Undo(float* x, int count, float* to)
    {
        for (nint at = 0; at < count; at += 32)
            for (nint i = 0; i < 16; i += 4)
            {
                Vector128<float> a = Vector128.Load(x + at + 2 * i), b = Vector128.Load(x + at + 2 * i + 4);
                Even(a, b).Store(to + at + i);
                Odd(a, b).Store(to + at + 16 + i);
            }
        return to;
    }

    /// <summary>The elements of a and b at even indices: a₀ a₂ b₀ b₂.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Even(Vector128<float> a, Vector128<float> b)
        => Sse.IsSupported ? Sse.Shuffle(a, b, 0b10_00_10_00) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.UnzipEven(a, b) : Vector128.Create(a[0], a[2], b[0], b[2]);

    /// <summary>The elements of a and b at odd indices: a₁ a₃ b₁ b₃.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Odd(Vector128<float> a, Vector128<float> b)
        => Sse.IsSupported ? Sse.Shuffle(a, b, 0b11_01_11_01) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.UnzipOdd(a, b) : Vector128.Create(a[1], a[3], b[1], b[3]);
}
