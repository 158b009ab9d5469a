using Peft.Quantization.Gguf;

namespace Peft.Quantization.Kernels;

/// <summary>The readers of GGUF's types.</summary>
internal static unsafe class GgufReaders
{
    public static ValueReader Of(byte* bytes, GgufType type, long columns) => type.Name switch
    {
        "Q8_0" => new GgufReader<Q8x0Block>(bytes, type, columns),
        "Q4_0" => new GgufReader<Q4x0Block>(bytes, type, columns),
        "Q4_1" => new GgufReader<Q4x1Block>(bytes, type, columns),
        "Q5_0" => new GgufReader<Q5x0Block>(bytes, type, columns),
        "Q5_1" => new GgufReader<Q5x1Block>(bytes, type, columns),
        "Q4_K" => new GgufReader<Q4KBlock>(bytes, type, columns),
        "Q5_K" => new GgufReader<Q5KBlock>(bytes, type, columns),
        "Q6_K" => new GgufReader<Q6KBlock>(bytes, type, columns),
        _ => throw new ArgumentException($"{type} holds no blocks."),
    };
}
