using static TorchSharp.torch;

namespace Peft.Quantization.Gguf;

/// <summary>The values of GGUF's blocks: bytes <c>[blocks, bytes]</c> to float32 <c>[blocks, elements]</c>.</summary>
internal static class GgufBlocks
{
    /// <summary>Dequantizes blocks.</summary>
    public static Tensor Dequantize(Tensor blocks, GgufType type) => type.Name switch
    {
        "Q8_0" => Half(blocks, 0).mul(Signed(blocks.narrow(1, 2, 32))),
        "Q4_0" => Half(blocks, 0).mul(Nibbles(blocks.narrow(1, 2, 16)).sub(Constant(8))),
        "Q4_1" => Half(blocks, 0).mul(Nibbles(blocks.narrow(1, 4, 16))).add(Half(blocks, 2), One),
        "Q5_0" => Half(blocks, 0).mul(FiveBits(blocks, 2).sub(Constant(16))),
        "Q5_1" => Half(blocks, 0).mul(FiveBits(blocks, 4)).add(Half(blocks, 2), One),
        "Q4_K" => Scaled(blocks, Groups(blocks.narrow(1, 16, 128))),
        "Q5_K" => Scaled(blocks, Groups(blocks.narrow(1, 48, 128)).add(Bits(blocks.narrow(1, 16, 32).unsqueeze(1), [.. Enumerable.Range(0, 8)], 1), alpha: Constant(16))),
        "Q6_K" => SixBits(blocks),
        _ => throw new ArgumentException($"{type} holds no blocks."),
    };

    // The size of a unit of the fraction, by exponent. The fraction of all but the smallest has an eleventh bit, which is not stored.
    private static readonly float[] Units = [.. Enumerable.Range(0, 32).Select(exponent => exponent == 31 ? float.PositiveInfinity : MathF.ScaleB(1, Math.Max(exponent, 1) - 25))];

    // TorchSharp cannot read bytes as another dtype: float16 is put together from its parts.
    private static Tensor Half(Tensor blocks, long at)
    {
        var (low, high) = (blocks.select(1, at).to_type(ScalarType.Int32), blocks.select(1, at + 1).to_type(ScalarType.Int32));
        var exponent = Masked(Shifted(high, 2), 31);
        var fraction = Masked(high, 3).mul(Constant(256)).add(low, One);
        var significand = fraction.add(exponent.gt(Constant(0)).to_type(ScalarType.Int32), alpha: Constant(1024)).to_type(ScalarType.Float32);
        var sign = high.ge(Constant(128)).to_type(ScalarType.Float32).mul(Constant(-2)).add(Constant(1), One);
        var value = tensor(Units, device: blocks.device).index_select(0, exponent).mul(significand).mul(sign);
        return value.masked_fill(exponent.eq(Constant(31)).logical_and(fraction.ne(Constant(0))), Constant(double.NaN)).unsqueeze(1);
    }

    private static Tensor Signed(Tensor bytes)
    {
        var numbers = bytes.to_type(ScalarType.Float32);
        return numbers.sub(numbers.ge(Constant(128)).to_type(ScalarType.Float32).mul(Constant(256)));
    }

    // Low nibbles come first, high ones after all of them.
    private static Tensor Nibbles(Tensor bytes) => Bits(bytes.unsqueeze(1), [0, 4], 4).view(bytes.size(0), -1);

    // Of each 32 bytes the low nibbles are one group, the high ones the next.
    private static Tensor Groups(Tensor bytes) => Bits(bytes.view(-1, 4, 1, 32), [0, 4], 4).view(-1, 8, 32);

    private static Tensor FiveBits(Tensor blocks, long at)
    {
        var fifth = Bits(blocks.narrow(1, at, 4).unsqueeze(2), [.. Enumerable.Range(0, 8)], 1, last: true).view(-1, 32);
        return Nibbles(blocks.narrow(1, at + 4, 16)).add(fifth, alpha: Constant(16));
    }

    // d·scale·q − dmin·minimum, with scales and minima of 6 bits in 12 bytes.
    private static Tensor Scaled(Tensor blocks, Tensor numbers)
    {
        var packed = blocks.narrow(1, 4, 12).to_type(ScalarType.Int32);
        var (first, second, third) = (packed.narrow(1, 0, 4), packed.narrow(1, 4, 4), packed.narrow(1, 8, 4));
        var scales = cat([Masked(first, 63), Masked(third, 15).add(Shifted(first, 6), alpha: Constant(16))], 1);
        var minima = cat([Masked(second, 63), Shifted(third, 4).add(Shifted(second, 6), alpha: Constant(16))], 1);
        var scale = Half(blocks, 0).mul(scales.to_type(ScalarType.Float32)).unsqueeze(2);
        var minimum = Half(blocks, 2).mul(minima.to_type(ScalarType.Float32)).unsqueeze(2);
        return scale.mul(numbers).sub(minimum).view(blocks.size(0), -1);
    }

    // Two halves of 128 elements: nibbles of 64 bytes, and two more bits of each from 32 bytes; a scale for each 16.
    private static Tensor SixBits(Tensor blocks)
    {
        var low = Bits(blocks.narrow(1, 0, 128).view(-1, 2, 1, 64), [0, 4], 4).view(-1, 2, 4, 32);
        var high = Bits(blocks.narrow(1, 128, 64).view(-1, 2, 1, 32), [0, 2, 4, 6], 2);
        var numbers = low.add(high, alpha: Constant(16)).sub(Constant(32)).view(-1, 16, 16);
        return Half(blocks, 208).mul(Signed(blocks.narrow(1, 192, 16))).unsqueeze(2).mul(numbers).view(blocks.size(0), -1);
    }

    // The bits from each of some positions on, along the last dimension but one, or the last.
    private static Tensor Bits(Tensor bytes, int[] positions, int count, bool last = false)
    {
        var shifts = tensor(positions, device: bytes.device);
        if (!last) shifts = shifts.unsqueeze(1);
        return Masked(bytes.to_type(ScalarType.Int32).bitwise_right_shift(shifts), (1 << count) - 1).to_type(ScalarType.Float32);
    }

    private static Tensor Masked(Tensor numbers, int mask) => numbers.bitwise_and(tensor(mask, device: numbers.device));

    private static Tensor Shifted(Tensor numbers, int bits) => numbers.bitwise_right_shift(tensor(bits, device: numbers.device));
}
