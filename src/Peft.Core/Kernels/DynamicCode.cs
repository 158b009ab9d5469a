using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// The dynamic 8-bit data type (Dettmers et al. 2021, arXiv:2110.02861), with a small relative error for both small and large values: 256 values in [-1, 1], or in [0, 1]
/// if unsigned.
/// </summary>
internal static class DynamicCode
{
    /// <summary>The values of the signed code, ascending. −1 is not one of them.</summary>
    public static float[] Signed { get; } = Create(true);

    /// <summary>The values of the unsigned code, ascending.</summary>
    public static float[] Unsigned { get; } = Create(false);

    /// <summary>Quantizes a flat tensor in blocks.</summary>
    /// <returns>The codes as bytes, and the scale of each block.</returns>
    public static (Tensor Codes, Tensor Scales) Quantize(Tensor flat, float[] code, int blockSize)
    {
        // Sizes alone: on the meta device, there are no values.
        if (flat.is_meta) return (empty(flat.numel(), ScalarType.Byte, flat.device), empty(TensorParts.Count(flat.numel(), blockSize), ScalarType.Float32, flat.device));
        return DynamicCodeEncoder.Supports(flat) ? DynamicCodeEncoder.Run(flat, Middles(code), blockSize) : QuantizeByTorch(flat, code, blockSize);
    }

    private static float[] Middles(float[] code) => [.. code.Zip(code.Skip(1), (low, high) => (low + high) / 2)];

    /// <summary>Computes the same with torch operations, on any device.</summary>
    internal static (Tensor Codes, Tensor Scales) QuantizeByTorch(Tensor flat, float[] code, int blockSize)
    {
        var scales = ScaledBlocks.Largest(flat, blockSize);
        var codes = empty(flat.numel(), ScalarType.Byte, flat.device);
        using var middles = tensor(Middles(code), device: flat.device);
        TensorParts.ForEach(flat.numel(), blockSize, (start, length) =>
        {
            var scaled = ScaledBlocks.Divide(flat.narrow(0, start, length), scales.narrow(0, start / blockSize, TensorParts.Count(length, blockSize)), blockSize);
            codes.narrow(0, start, length).copy_(searchsorted(middles, scaled));
        });
        return (codes, scales);
    }

    /// <summary>Converts codes to float32 values.</summary>
    public static Tensor Dequantize(Tensor codes, Tensor scales, Tensor table, int blockSize)
    {
        var values = empty(codes.numel(), ScalarType.Float32, codes.device);
        TensorParts.ForEach(codes.numel(), blockSize, (start, length) =>
        {
            var found = table.index_select(0, codes.narrow(0, start, length).to_type(ScalarType.Int32));
            values.narrow(0, start, length).copy_(ScaledBlocks.Times(found, scales.narrow(0, start / blockSize, TensorParts.Count(length, blockSize)), blockSize));
        });
        return values;
    }

    // 0, 1, and for each power of ten the centres of equal cells of [0.1, 1], twice as many for each greater power.
    private static float[] Create(bool signed)
    {
        var values = new List<float> { 0, 1 };
        for (var power = 0; power < 7; power++)
        {
            var cells = (1 << (signed ? power : power + 1));
            // The bounds in float32, as torch.linspace computes them.
            for (var cell = 0; cell < cells; cell++)
            {
                var middle = (Bound(cell, cells) + Bound(cell + 1, cells)) / 2f;
                var value = (float)Math.Pow(10, power - 6) * middle;
                values.Add(value);
                if (signed) values.Add(-value);
            }
        }
        values.Sort();
        return [.. values];
    }

    private static float Bound(int cell, int cells)
    {
        var step = (1f - 0.1f) / cells;
        return 2 * cell < cells + 1 ? MathF.FusedMultiplyAdd(step, cell, 0.1f) : MathF.FusedMultiplyAdd(-step, cells - cell, 1f);
    }
}
