using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>What a checkpoint says of one tensor, known without reading it.</summary>
public sealed class TensorEntry
{
    internal TensorEntry(string name, SafetensorsType format, long[] shape, long offset, long byteLength)
    {
        Name = name;
        Format = format;
        Dimensions = shape;
        Offset = offset;
        ByteLength = byteLength;
    }

    /// <summary>Key of the tensor, such as <c>model.layers.0.mlp.up_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Element type as the file spells it: <c>F32</c>, <c>BF16</c>, <c>F8_E4M3</c>.</summary>
    public string TypeName => Format.Name;

    /// <summary>Element type in memory; null where TorchSharp has none (U16, U32, U64, F4 to F8): such a tensor is listed but cannot be read.</summary>
    public ScalarType? Type => Format.Scalar;

    /// <summary>Lengths of the dimensions; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape => Dimensions;

    /// <summary>First byte of the tensor, counted from the start of its file.</summary>
    public long Offset { get; }

    /// <summary>Bytes of the tensor's elements.</summary>
    public long ByteLength { get; }

    internal SafetensorsType Format { get; }

    internal long[] Dimensions { get; }

    /// <summary>Elements from one index to the next in each dimension; null if the tensor lies in one piece, in order.</summary>
    internal long[]? Strides { get; init; }

    /// <summary>Elements from the first to the last, both counted, where <see cref="Strides"/> are given.</summary>
    internal long Spanned { get; init; }

    /// <summary>Name, type and shape, as in <c>lora_A.weight F32 [8, 64]</c>.</summary>
    public override string ToString() => $"{Name} {TypeName} [{string.Join(", ", Shape)}]";
}
