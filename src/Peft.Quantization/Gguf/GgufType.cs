namespace Peft.Quantization.Gguf;

/// <summary>A type of GGUF's blocks.</summary>
/// <param name="Id">Its number in files.</param>
/// <param name="Name">Its name.</param>
/// <param name="BlockSize">Elements per block.</param>
/// <param name="BlockBytes">Bytes per block.</param>
/// <param name="ScaleCount">Number of float16 values in a block: its scale, and its minimum.</param>
/// <param name="ScaleOffset">The byte at which they begin.</param>
internal sealed record GgufType(uint Id, string Name, int BlockSize, int BlockBytes, int ScaleCount = 0, int ScaleOffset = 0)
{
    /// <summary>The types that can be read.</summary>
    public static IReadOnlyList<GgufType> All { get; } =
    [
        new(0, "F32", 1, 4), new(1, "F16", 1, 2), new(30, "BF16", 1, 2),
        new(2, "Q4_0", 32, 18, 1), new(3, "Q4_1", 32, 20, 2), new(6, "Q5_0", 32, 22, 1), new(7, "Q5_1", 32, 24, 2), new(8, "Q8_0", 32, 34, 1),
        new(12, "Q4_K", 256, 144, 2), new(13, "Q5_K", 256, 176, 2), new(14, "Q6_K", 256, 210, 1, 208),
    ];

    // Names of types that are known and not supported, for messages.
    private static readonly Dictionary<uint, string> Others = new()
    {
        [9] = "Q8_1", [10] = "Q2_K", [11] = "Q3_K", [15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S", [23] = "IQ4_XS",
        [24] = "I8", [25] = "I16", [26] = "I32", [27] = "I64", [28] = "F64", [29] = "IQ1_M", [34] = "TQ1_0", [35] = "TQ2_0", [39] = "MXFP4",
    };

    /// <summary>True for floating-point numbers.</summary>
    public bool IsFloat => BlockSize == 1;

    /// <summary>True if the scales in a part of a tensor are finite.</summary>
    /// <param name="bytes">The part.</param>
    /// <param name="start">Its first byte in the tensor.</param>
    public bool HasFiniteScales(ReadOnlySpan<byte> bytes, long start)
    {
        // The exponent, whose bits are all set in infinities and NaN, is in the high byte, so that a scale across two parts needs no care.
        const int Exponent = 0x7C;
        for (var scale = 0; scale < ScaleCount; scale++)
            for (var at = (int)((ScaleOffset + 2 * scale + 1 - start % BlockBytes + BlockBytes) % BlockBytes); at < bytes.Length; at += BlockBytes)
                if ((bytes[at] & Exponent) == Exponent) return false;
        return true;
    }

    /// <summary>Finds a type.</summary>
    /// <exception cref="QuantizationException">The type is not supported.</exception>
    public static GgufType Of(uint id, string tensor) => All.FirstOrDefault(type => type.Id == id)
        ?? throw new QuantizationException($"Tensor '{tensor}' is of the type {Others.GetValueOrDefault(id, $"number {id}")}, which cannot be read. Supported are {string.Join(", ", All.Select(type => type.Name))}: take a file of another quantization.");

    /// <inheritdoc/>
    public override string ToString() => Name;
}
