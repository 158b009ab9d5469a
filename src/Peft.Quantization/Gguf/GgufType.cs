namespace Peft.Quantization.Gguf;

/// <summary>A type of GGUF's blocks.</summary>
/// <param name="Id">Its number in files.</param>
/// <param name="Name">Its name.</param>
/// <param name="BlockSize">Elements per block.</param>
/// <param name="BlockBytes">Bytes per block.</param>
internal sealed record GgufType(uint Id, string Name, int BlockSize, int BlockBytes)
{
    /// <summary>The types that can be read.</summary>
    public static IReadOnlyList<GgufType> All { get; } =
    [
        new(0, "F32", 1, 4), new(1, "F16", 1, 2), new(30, "BF16", 1, 2),
        new(2, "Q4_0", 32, 18), new(3, "Q4_1", 32, 20), new(6, "Q5_0", 32, 22), new(7, "Q5_1", 32, 24), new(8, "Q8_0", 32, 34),
        new(12, "Q4_K", 256, 144), new(13, "Q5_K", 256, 176), new(14, "Q6_K", 256, 210),
    ];

    // Names of types that are known and not supported, for messages.
    private static readonly Dictionary<uint, string> Others = new()
    {
        [9] = "Q8_1", [10] = "Q2_K", [11] = "Q3_K", [15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S", [23] = "IQ4_XS",
        [24] = "I8", [25] = "I16", [26] = "I32", [27] = "I64", [28] = "F64", [29] = "IQ1_M", [34] = "TQ1_0", [35] = "TQ2_0", [39] = "MXFP4",
    };

    /// <summary>True for floating-point numbers.</summary>
    public bool IsFloat => BlockSize == 1;

    /// <summary>Finds a type.</summary>
    /// <exception cref="QuantizationException">The type is not supported.</exception>
    public static GgufType Of(uint id, string tensor) => All.FirstOrDefault(type => type.Id == id)
        ?? throw new QuantizationException($"Tensor '{tensor}' is of the type {Others.GetValueOrDefault(id, $"number {id}")}, which cannot be read. Supported are {string.Join(", ", All.Select(type => type.Name))}: take a file of another quantization.");

    /// <inheritdoc/>
    public override string ToString() => Name;
}
