namespace Peft.Quantization.Kernels;

/// <summary>e5m2: 5 bits of exponent, 2 of fraction.</summary>
internal readonly struct E5M2 : IFloat8
{
    public static int FractionBits => 2;

    public static int Bias => (127 - 15) << 23;

    public static float Least => 1f / 16384;
}
