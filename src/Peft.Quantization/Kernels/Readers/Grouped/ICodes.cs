using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Integers of a few bits, the first in the lowest bits.</summary>
internal unsafe interface ICodes
{
    /// <summary>Bits of an integer.</summary>
    static abstract int Bits { get; }

    /// <summary>True if integers are pairs of 4 bits.</summary>
    static virtual bool ArePairs => false;

    /// <summary>Sixteen integers.</summary>
    /// <param name="row">All integers of a row.</param>
    /// <param name="first">Index of the first: a multiple of 16.</param>
    static abstract Vector128<byte> Sixteen(byte* row, nint first);
}
