namespace Peft.Quantization.Kernels;

/// <summary>
/// How finite floating-point numbers of 8 bits become float32. With the fraction in its place and the exponent's bias put right, n is the value, but for subnormal numbers, which have no leading one: for them 2n − least, which is
/// the smaller of the two only there.
/// </summary>
internal interface IFloat8
{
    /// <summary>Bits of the fraction.</summary>
    static abstract int FractionBits { get; }

    /// <summary>The difference of the exponents' biases, as an exponent.</summary>
    static abstract int Bias { get; }

    /// <summary>The least normal number.</summary>
    static abstract float Least { get; }
}
