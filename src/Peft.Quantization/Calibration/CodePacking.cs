using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Packs integers of a few bits into 32-bit words: the inverse of <see cref="PackedBits"/>, and of AWQ's order.</summary>
internal static class CodePacking
{
    // The positions of the outputs 0 to 7 in a word of eight, as AWQ has them.
    private static readonly int[] Places = [0, 4, 1, 5, 2, 6, 3, 7];

    /// <summary>Packs along the first dimension as one stream: numbers <c>[count, …]</c> to words <c>[⌈count·bits/32⌉, …]</c>.</summary>
    public static Tensor Along(Tensor codes, int bits)
    {
        using var scope = NewDisposeScope();
        var count = codes.size(0);
        var others = codes.shape[1..];
        var numbers = codes.to_type(ScalarType.Int64);
        if (count % 32 != 0) numbers = cat([numbers, zeros([32 - count % 32, .. others], ScalarType.Int64, codes.device)]);
        numbers = numbers.view([-1, 32, .. others]);
        var words = zeros([numbers.size(0), bits, .. others], ScalarType.Int64, codes.device);
        for (var i = 0; i < 32; i++)
        {
            var (word, shift) = (i * bits / 32, i * bits % 32);
            var number = numbers.select(1, i);
            words.select(1, word).add_(number.mul(Constant(1L << shift)).bitwise_and(Whole(0xFFFFFFFFL)), One);
            // A code may span two words.
            if (shift + bits > 32) words.select(1, word + 1).add_(number.bitwise_right_shift(Whole(32 - shift)), One);
        }
        return Narrow(words.view([-1, .. others]).narrow(0, 0, TensorParts.Count(count * bits, 32))).MoveToOuterDisposeScope();

        Tensor Whole(long value) => tensor(value, device: codes.device);
    }

    /// <summary>Packs eight outputs of 4 bits to a word in AWQ's order: <c>[inputs, out]</c> to <c>[inputs, out/8]</c>.</summary>
    public static Tensor Interleaved(Tensor codes)
    {
        using var scope = NewDisposeScope();
        var factors = tensor(Places.Select(place => 1L << (4 * place)).ToArray(), device: codes.device);
        return Narrow(codes.to_type(ScalarType.Int64).view(codes.size(0), -1, 8).mul(factors).sum(dim: 2)).MoveToOuterDisposeScope();
    }

    // The same 32 bits as a signed number.
    private static Tensor Narrow(Tensor words)
        => words.sub(words.ge(Constant(1L << 31)).to_type(ScalarType.Int64).mul(Constant(1L << 32))).to_type(ScalarType.Int32);
}
