namespace Peft.Quantization.Gguf;

/// <summary>Super-blocks of 256 values with quantized scales. For each group, scale and minimum are those of the least squared error among some candidates, fitted by least squares: inputs are unknown, so that each value weighs the same.</summary>
internal static class GgufKQuants
{
    private const int Size = 256, Candidates = 20;

    /// <summary>Q4_K: 8 groups of 32 values, x ≈ d·scale·q − dmin·minimum with q of 4 bits, scale and minimum of 6.</summary>
    public static void Q4(ReadOnlySpan<float> values, Span<byte> block)
    {
        const int groups = 8, width = Size / groups, most = 15;
        Span<float> scales = stackalloc float[groups], minima = stackalloc float[groups];
        for (var group = 0; group < groups; group++) (scales[group], minima[group]) = ScaleAndMinimum(values.Slice(group * width, width), most);
        var (scaleStep, minimumStep) = ((Half)(Largest(scales) / 63), (Half)(Largest(minima) / 63));
        BitConverter.TryWriteBytes(block, scaleStep);
        BitConverter.TryWriteBytes(block[2..], minimumStep);
        Span<byte> scaleCodes = stackalloc byte[groups], minimumCodes = stackalloc byte[groups];
        for (var group = 0; group < groups; group++)
            (scaleCodes[group], minimumCodes[group]) = Refined(values.Slice(group * width, width), (float)scaleStep, (float)minimumStep, Code(scales[group], (float)scaleStep, 63), Code(minima[group], (float)minimumStep, 63), most);
        Pack(scaleCodes, minimumCodes, block.Slice(4, 12));
        Span<byte> codes = stackalloc byte[Size];
        for (var i = 0; i < Size; i++)
        {
            var group = i / width;
            codes[i] = Code(values[i] + ((float)minimumStep * minimumCodes[group]), (float)scaleStep * scaleCodes[group], most);
        }
        // Of each 32 bytes the low nibbles are one group, the high ones the next.
        for (var pair = 0; pair < 4; pair++)
            for (var i = 0; i < width; i++)
                block[16 + (pair * width) + i] = (byte)(codes[(2 * pair * width) + i] | (codes[(((2 * pair) + 1) * width) + i] << 4));
    }

    /// <summary>Q6_K: 16 groups of 16 values, x ≈ d·scale·(q − 32) with q of 6 bits and signed scales of 8.</summary>
    public static void Q6(ReadOnlySpan<float> values, Span<byte> block)
    {
        const int groups = 16, width = Size / groups;
        Span<float> scales = stackalloc float[groups];
        var extreme = 0f;
        for (var group = 0; group < groups; group++)
        {
            scales[group] = Scale(values.Slice(group * width, width));
            if (MathF.Abs(scales[group]) > MathF.Abs(extreme)) extreme = scales[group];
        }
        var step = (Half)(extreme / -128);
        BitConverter.TryWriteBytes(block[208..], step);
        Span<byte> codes = stackalloc byte[Size];
        for (var group = 0; group < groups; group++)
        {
            var code = (float)step == 0 ? 0 : Math.Clamp(MathF.Round(scales[group] / (float)step), -128, 127);
            block[192 + group] = (byte)(sbyte)code;
            var scale = (float)step * code;
            for (var i = group * width; i < (group + 1) * width; i++) codes[i] = (byte)(32 + (scale == 0 ? 0 : (int)Math.Clamp(MathF.Round(values[i] / scale), -32, 31)));
        }
        // Two halves of 128: the low 4 bits of values 0 to 63 next to those of 64 to 127, and the high 2 bits of four values in a byte.
        for (var half = 0; half < 2; half++)
        {
            for (var i = 0; i < 32; i++)
            {
                var at = codes.Slice(half * 128, 128);
                block[(half * 64) + i] = (byte)((at[i] & 15) | ((at[i + 64] & 15) << 4));
                block[(half * 64) + 32 + i] = (byte)((at[i + 32] & 15) | ((at[i + 96] & 15) << 4));
                block[128 + (half * 32) + i] = (byte)((at[i] >> 4) | ((at[i + 32] >> 4) << 2) | ((at[i + 64] >> 4) << 4) | ((at[i + 96] >> 4) << 6));
            }
        }
    }

    // The scale s and the minimum m ≥ 0 for x ≈ s·q − m.
    private static (float Scale, float Minimum) ScaleAndMinimum(ReadOnlySpan<float> values, int most)
    {
        var (least, greatest) = (0f, float.NegativeInfinity);
        foreach (var value in values)
        {
            least = MathF.Min(least, value);
            greatest = MathF.Max(greatest, value);
        }
        if (greatest <= least) return (0, -least);
        var (best, scale, minimum) = (double.PositiveInfinity, 0f, 0f);
        for (var candidate = 0; candidate <= Candidates; candidate++)
        {
            var inverse = (most - 1 + (0.1f * candidate)) / (greatest - least);
            double ofCodes = 0, ofSquares = 0, ofValues = 0, ofProducts = 0;
            foreach (var value in values)
            {
                var code = Math.Clamp(MathF.Round((value - least) * inverse), 0, most);
                ofCodes += code;
                ofSquares += code * code;
                ofValues += value;
                ofProducts += code * value;
            }
            var determinant = (values.Length * ofSquares) - (ofCodes * ofCodes);
            if (determinant <= 0) continue;
            var slope = ((values.Length * ofProducts) - (ofCodes * ofValues)) / determinant;
            var offset = ((ofSquares * ofValues) - (ofCodes * ofProducts)) / determinant;
            if (offset > 0) (slope, offset) = (ofProducts / ofSquares, 0);
            if (slope <= 0) continue;
            var error = 0.0;
            foreach (var value in values)
            {
                var difference = value - (slope * Math.Clamp(Math.Round((value - offset) / slope), 0, most)) - offset;
                error += difference * difference;
            }
            if (error < best) (best, scale, minimum) = (error, (float)slope, (float)-offset);
        }
        return double.IsFinite(best) ? (scale, minimum) : ((greatest - least) / most, -least);
    }

    // The codes of a scale and a minimum, or neighbors of them with a smaller error: rounding moves both.
    private static (byte Scale, byte Minimum) Refined(ReadOnlySpan<float> values, float scaleStep, float minimumStep, byte scaleCode, byte minimumCode, int most)
    {
        var (best, found) = (double.PositiveInfinity, (scaleCode, minimumCode));
        for (var scale = Math.Max(0, scaleCode - 1); scale <= Math.Min(63, scaleCode + 1); scale++)
        {
            for (var minimum = Math.Max(0, minimumCode - 1); minimum <= Math.Min(63, minimumCode + 1); minimum++)
            {
                var (slope, offset, error) = (scaleStep * scale, minimumStep * minimum, 0.0);
                foreach (var value in values)
                {
                    var code = slope == 0 ? 0 : Math.Clamp(MathF.Round((value + offset) / slope), 0, most);
                    var difference = value + offset - (slope * code);
                    error += difference * difference;
                }
                if (error < best) (best, found) = (error, ((byte)scale, (byte)minimum));
            }
        }
        return found;
    }

    // The scale s, of either sign, for x ≈ s·q with q from −32 to 31.
    private static float Scale(ReadOnlySpan<float> values)
    {
        var extreme = 0f;
        foreach (var value in values)
            if (MathF.Abs(value) > MathF.Abs(extreme)) extreme = value;
        if (extreme == 0) return 0;
        var (best, scale) = (double.PositiveInfinity, 0f);
        for (var candidate = -9; candidate <= 9; candidate++)
        {
            var inverse = -(32 + (0.1f * candidate)) / extreme;
            double ofSquares = 0, ofProducts = 0;
            foreach (var value in values)
            {
                var code = Math.Clamp(MathF.Round(value * inverse), -32, 31);
                ofSquares += code * code;
                ofProducts += code * value;
            }
            if (ofSquares <= 0) continue;
            var slope = ofProducts / ofSquares;
            var error = 0.0;
            foreach (var value in values)
            {
                var difference = value - (slope * Math.Clamp(Math.Round(value / slope), -32, 31));
                error += difference * difference;
            }
            if (error < best) (best, scale) = (error, (float)slope);
        }
        return scale;
    }

    // Eight scales and eight minima of 6 bits in 12 bytes.
    private static void Pack(ReadOnlySpan<byte> scales, ReadOnlySpan<byte> minima, Span<byte> to)
    {
        for (var i = 0; i < 4; i++)
        {
            to[i] = (byte)(scales[i] | ((scales[i + 4] >> 4) << 6));
            to[i + 4] = (byte)(minima[i] | ((minima[i + 4] >> 4) << 6));
            to[i + 8] = (byte)((scales[i + 4] & 15) | ((minima[i + 4] & 15) << 4));
        }
    }

    private static byte Code(float value, float step, int most) => step == 0 ? (byte)0 : (byte)Math.Clamp(MathF.Round(value / step), 0, most);

    private static float Largest(ReadOnlySpan<float> values)
    {
        var largest = 0f;
        foreach (var value in values) largest = MathF.Max(largest, value);
        return largest;
    }
}
