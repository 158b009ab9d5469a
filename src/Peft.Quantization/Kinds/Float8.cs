using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Floating-point numbers of 8 bits, which TorchSharp has no dtype for: bytes and their values.</summary>
internal static class Float8
{
    /// <summary>The largest finite value of e4m3fn.</summary>
    public const float Largest = 448;

    // e4m3fn: bias 7, no infinity. 0x7F and 0xFF are NaN.
    private static readonly float[] E4M3 = [.. Enumerable.Range(0, 256).Select(code => Decode(code, 3, 7, isFinite: true))];

    // e5m2: bias 15, with infinities, as half of a float16.
    private static readonly float[] E5M2 = [.. Enumerable.Range(0, 256).Select(code => Decode(code, 2, 15, isFinite: false))];

    /// <summary>The values of bytes, in float32.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="isE5M2">True for e5m2, false for e4m3fn.</param>
    public static Tensor Values(Tensor bytes, bool isE5M2 = false)
    {
        using var scope = NewDisposeScope();
        var table = tensor(isE5M2 ? E5M2 : E4M3, device: bytes.device);
        return table.index_select(0, bytes.reshape(-1).to_type(ScalarType.Int32)).view(bytes.shape).MoveToOuterDisposeScope();
    }

    /// <summary>The bytes of the nearest e4m3fn values, ties to the even code. Larger values become ±448.</summary>
    public static Tensor Bytes(Tensor values)
    {
        using var scope = NewDisposeScope();
        var positive = E4M3[..127];
        var middles = tensor(positive.Zip(positive.Skip(1), (low, high) => (low + high) / 2).ToArray(), device: values.device);
        var magnitude = values.to_type(ScalarType.Float32).abs().contiguous();
        var below = searchsorted(middles, magnitude);
        var isMiddle = searchsorted(middles, magnitude, right: true).ne(below);
        var codes = below.add(isMiddle.logical_and(below.remainder(Constant(2)).ne(Constant(0))).to_type(ScalarType.Int64), One);
        return codes.add(values.signbit().to_type(ScalarType.Int64), alpha: Constant(128)).to_type(ScalarType.Byte).MoveToOuterDisposeScope();
    }

    private static float Decode(int code, int fractionBits, int bias, bool isFinite)
    {
        var sign = code < 128 ? 1f : -1f;
        var exponent = (code & 127) >> fractionBits;
        var fraction = code & ((1 << fractionBits) - 1);
        var top = 127 >> fractionBits;
        if (isFinite ? (code & 127) == 127 : exponent == top && fraction != 0) return float.NaN;
        if (!isFinite && exponent == top) return sign * float.PositiveInfinity;
        var scale = 1f / (1 << fractionBits);
        return sign * (exponent == 0 ? MathF.ScaleB(fraction * scale, 1 - bias) : MathF.ScaleB(1 + fraction * scale, exponent - bias));
    }
}
