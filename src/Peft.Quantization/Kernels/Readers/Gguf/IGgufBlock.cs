using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>A type of GGUF's blocks: whole numbers in groups, times the scale of the group, plus its offset if the type has any. A block is one unit or several, which differ by their addresses.</summary>
internal unsafe interface IGgufBlock
{
    /// <summary>Values of a group.</summary>
    static abstract int GroupSize { get; }

    /// <summary>True if the type has offsets.</summary>
    static abstract bool HasOffsets { get; }

    /// <summary>Sixteens of a unit.</summary>
    static abstract int Parts { get; }

    /// <summary>True if numbers are pairs of 4 bits, of which the low ones are the first half of a unit's sixteens.</summary>
    static virtual bool HasPairs => false;

    /// <summary>What is subtracted from numbers of 4 bits.</summary>
    static virtual int Zero => 0;

    /// <summary>Sixteen pairs.</summary>
    /// <param name="block">The block.</param>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="part">Index of the sixteen whose numbers are the low bits.</param>
    static virtual Vector128<byte> Pairs(byte* block, int unit, int part) => default;

    /// <summary>The scales and offsets of the groups of some blocks.</summary>
    /// <param name="blocks">The blocks.</param>
    /// <param name="count">Number of blocks.</param>
    /// <param name="scales">Takes the scales, and up to three more values.</param>
    /// <param name="offsets">Takes the offsets likewise, if the type has any.</param>
    static abstract void Factors(byte* blocks, int count, float* scales, float* offsets);

    /// <summary>Sixteen numbers of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="part">Index of the sixteen in the unit: a constant, so that shifts are.</param>
    static abstract T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>;
}
