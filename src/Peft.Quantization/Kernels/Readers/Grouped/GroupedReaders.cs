namespace Peft.Quantization.Kernels;

/// <summary>The readers of numbers of bits.</summary>
internal static unsafe class GroupedReaders
{
    /// <summary>The reader of a matrix.</summary>
    /// <param name="codes">The integers.</param>
    /// <param name="rowBytes">Bytes of a row of them.</param>
    /// <param name="bits">Bits of an integer.</param>
    /// <param name="grids">Scales and zeros.</param>
    /// <param name="columns">Length of a row.</param>
    public static ValueReader Of(byte* codes, nint rowBytes, int bits, GroupGrids grids, int columns) => bits switch
    {
        2 => new GroupedReader<TwoBits>(codes, rowBytes, grids, columns),
        3 => new GroupedReader<ThreeBits>(codes, rowBytes, grids, columns),
        4 => new GroupedReader<FourBits>(codes, rowBytes, grids, columns),
        8 => new GroupedReader<EightBits>(codes, rowBytes, grids, columns),
        _ => throw new ArgumentException($"There is no reader of {bits} bits."),
    };
}
