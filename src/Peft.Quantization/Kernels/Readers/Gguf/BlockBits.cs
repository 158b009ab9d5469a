using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>What GGUF's blocks are made of.</summary>
internal static unsafe class BlockBits
{
    // Of each byte of a word: six bits, four, and the two above those four.
    private const uint Six = 0x3F3F3F3F, Four = 0x0F0F0F0F, High = 0x30303030;

    /// <summary>Some bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Of(Vector128<byte> bytes, int shift, int mask) => (bytes >>> shift) & Vector128.Create((byte)mask);

    /// <summary>All ones for each of sixteen bits that is set, else 0.</summary>
    /// <param name="at">32 bits.</param>
    /// <param name="part">0 for the first sixteen, 1 for the others.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Fifth(byte* at, int part)
    {
        var bytes = Vector128.Create(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, (byte)1) + Vector128.Create((byte)(2 * part));
        var each = Vector128.Create(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        return Vector128.Equals(Vector128.ShuffleNative(Vector128.CreateScalar(Unsafe.ReadUnaligned<uint>(at)).AsByte(), bytes) & each, each);
    }

    /// <summary>The scales and offsets of the eight groups of some K-quants: d·scale and −dmin·minimum, with scales and minima of 6 bits in 12 bytes.</summary>
    /// <param name="blocks">The blocks.</param>
    /// <param name="blockBytes">Bytes of a block.</param>
    /// <param name="count">Number of blocks.</param>
    /// <param name="scales">Takes the scales.</param>
    /// <param name="offsets">Takes the offsets.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void KFactors(byte* blocks, int blockBytes, int count, float* scales, float* offsets)
    {
        for (var i = 0; i < count; i++, blocks += blockBytes, scales += 8, offsets += 8)
        {
            var words = (uint*)blocks;
            var both = HalfValue.Of(Vector128.Create(words[0] & 0xFFFF, words[0] >> 16, 0, 0));
            var numbers = Vector128.Create(words[1] & Six, words[3] & Four | (words[1] >> 2) & High, words[2] & Six, (words[3] >> 4) & Four | (words[2] >> 2) & High).AsByte();
            Scale(Vector128.WidenLower(numbers).AsInt16(), Vector128.Create(both[0]), scales);
            Scale(Vector128.WidenUpper(numbers).AsInt16(), Vector128.Create(-both[1]), offsets);
        }
    }

    /// <summary>Eight numbers, times a scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale(Vector128<short> numbers, Vector128<float> scale, float* to)
    {
        (scale * Vector128.ConvertToSingle(Vector128.WidenLower(numbers))).Store(to);
        (scale * Vector128.ConvertToSingle(Vector128.WidenUpper(numbers))).Store(to + 4);
    }
}
