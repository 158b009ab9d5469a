using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft.Quantization.Gguf;

/// <summary>Quantizes rows of values to GGUF's blocks. Q8_0 and Q5_0 have the bytes that ggml writes; the scales of K-quants are found by this library's own search.</summary>
internal static class GgufQuantizer
{
    private delegate void BlockWriter(ReadOnlySpan<float> values, Span<byte> block);

    /// <summary>The type for a matrix: the wanted one, or the nearest whose blocks fill its rows, as llama.cpp falls back.</summary>
    public static GgufType Fitting(GgufType wanted, long columns)
    {
        var name = wanted.Name;
        if (wanted.BlockSize == 256 && columns % 256 != 0) name = name == "Q4_K" ? "Q5_0" : "Q8_0";
        var type = GgufType.All.Single(each => each.Name == name);
        return columns % type.BlockSize == 0 ? type : GgufType.All.Single(each => each.Name == "F16");
    }

    /// <summary>The bytes of values.</summary>
    /// <param name="values">float32 on the CPU, contiguous; rows of whole blocks.</param>
    /// <param name="type">The type.</param>
    public static byte[] Quantize(Tensor values, GgufType type)
    {
        var count = values.numel();
        var bytes = new byte[checked((int)(count / type.BlockSize * type.BlockBytes))];
        BlockWriter write = type.Name switch
        {
            "F32" => (from, to) => MemoryMarshal.AsBytes(from).CopyTo(to),
            "F16" => (from, to) => BitConverter.TryWriteBytes(to, (Half)from[0]),
            "Q8_0" => Q8,
            "Q5_0" => Q5,
            "Q4_K" => GgufKQuants.Q4,
            "Q6_K" => GgufKQuants.Q6,
            _ => throw new QuantizationException($"The type {type} cannot be written: choose F32, F16, Q8_0, Q5_0, Q4_K or Q6_K."),
        };
        var accessor = values.data<float>();
        var source = accessor.ToArray();
        var perPart = Math.Max(1, (1 << 16) / type.BlockSize);
        var blocks = (int)(count / type.BlockSize);
        Parallel.For(0, (blocks + perPart - 1) / perPart, part =>
        {
            for (var block = part * perPart; block < Math.Min(blocks, (part + 1) * perPart); block++)
                write(source.AsSpan(block * type.BlockSize, type.BlockSize), bytes.AsSpan(block * type.BlockBytes, type.BlockBytes));
        });
        return bytes;
    }

    // d = largest magnitude / 127, q = round(x / d).
    private static void Q8(ReadOnlySpan<float> values, Span<byte> block)
    {
        var largest = 0f;
        foreach (var value in values) largest = MathF.Max(largest, MathF.Abs(value));
        var scale = largest / 127;
        var inverse = scale == 0 ? 0 : 1 / scale;
        BitConverter.TryWriteBytes(block, (Half)scale);
        for (var i = 0; i < values.Length; i++) block[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
    }

    // d = the value of the largest magnitude, with its sign, / −16, q = x / d + 16. Low nibbles are 0 to 15; the fifth bits come before them.
    private static void Q5(ReadOnlySpan<float> values, Span<byte> block)
    {
        var extreme = 0f;
        foreach (var value in values)
            if (MathF.Abs(value) > MathF.Abs(extreme)) extreme = value;
        var scale = extreme / -16;
        var inverse = scale == 0 ? 0 : 1 / scale;
        BitConverter.TryWriteBytes(block, (Half)scale);
        var fifth = 0u;
        for (var i = 0; i < 16; i++)
        {
            var (low, high) = (Code(values[i] * inverse), Code(values[i + 16] * inverse));
            block[6 + i] = (byte)((low & 15) | ((high & 15) << 4));
            fifth |= ((low >> 4) << i) | ((high >> 4) << (i + 16));
        }
        BitConverter.TryWriteBytes(block[2..], fifth);

        static uint Code(float value) => (uint)Math.Min(31, (int)(value + 16.5f));
    }
}
