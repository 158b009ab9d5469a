using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Integers of 2, 3, 4 or 8 bits in 32-bit words, the first in the lowest bits, as one stream: 32 numbers fill as many words as they have bits.</summary>
internal static class PackedBits
{
    /// <summary>The supported numbers of bits.</summary>
    public static bool IsKnown(int bits) => bits is 2 or 3 or 4 or 8;

    /// <summary>Unpacks along the first dimension: words <c>[count·bits/32, …]</c> to numbers <c>[count, …]</c>, as int32.</summary>
    public static Tensor Unpack(Tensor words, int bits)
    {
        using var scope = NewDisposeScope();
        words = words.contiguous();
        var columns = words.shape[1..];
        var device = words.device;
        if (32 % bits == 0)
        {
            var shifts = Values.Indices(Enumerable.Range(0, 32 / bits).Select(i => (long)(i * bits)), device).to_type(ScalarType.Int32).view([1, -1, .. columns.Select(_ => 1L)]);
            return words.unsqueeze(1).bitwise_right_shift(shifts).bitwise_and(Mask(bits, ScalarType.Int32, device)).reshape([-1, .. columns]).MoveToOuterDisposeScope();
        }
        // A code may span two words.
        var groups = words.to_type(ScalarType.Int64).bitwise_and(tensor(0xFFFFFFFFL, device: device)).reshape([-1, bits, .. columns]);
        long[] first = [.. Enumerable.Range(0, 32).Select(i => (long)(i * bits / 32))];
        var low = groups.index_select(1, Values.Indices(first, device));
        var high = groups.index_select(1, Values.Indices(first.Select(word => Math.Min(word + 1, bits - 1)), device));
        var offsets = Values.Indices(Enumerable.Range(0, 32).Select(i => (long)(i * bits % 32)), device).view([1, -1, .. columns.Select(_ => 1L)]);
        var joined = low.bitwise_or(high.bitwise_left_shift(tensor(32L, device: device))).bitwise_right_shift(offsets);
        return joined.bitwise_and(Mask(bits, ScalarType.Int64, device)).reshape([-1, .. columns]).to_type(ScalarType.Int32).MoveToOuterDisposeScope();
    }

    private static Tensor Mask(int bits, ScalarType type, Device device) => tensor((1 << bits) - 1, type, device);
}
