namespace Peft.Quantization.Kernels;

/// <summary>e4m3fn: 4 bits of exponent, 3 of fraction.</summary>
internal readonly struct E4M3 : IFloat8
{
    public static int FractionBits => 3;

    public static int Bias => (127 - 7) << 23;

    public static float Least => 1f / 64;
}
