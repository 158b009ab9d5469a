using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>The description of a tensor in a checkpoint, known without reading the tensor.</summary>
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

    /// <summary>Name of the dtype in the file: <c>F32</c>, <c>BF16</c>, <c>F8_E4M3</c>.</summary>
    public string TypeName => Format.Name;

    /// <summary>Dtype in memory; null if TorchSharp has none (U16, U32, U64, F4 to F8). Such a tensor is listed but cannot be read.</summary>
    public ScalarType? Type => Format.Scalar;

    /// <summary>Lengths of the dimensions; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape => Dimensions;

    /// <summary>Position of the tensor in its file, in bytes.</summary>
    public long Offset { get; }

    /// <summary>Size of the tensor in bytes.</summary>
    public long ByteLength { get; }

    internal SafetensorsType Format { get; }

    internal long[] Dimensions { get; }

    /// <summary>Stride of each dimension in elements; null if the tensor is contiguous.</summary>
    internal long[]? Strides { get; init; }

    /// <summary>Number of elements from the first to the last, inclusive, if <see cref="Strides"/> is set.</summary>
    internal long Spanned { get; init; }

    /// <summary>Name, dtype and shape, as in <c>lora_A.weight F32 [8, 64]</c>.</summary>
    public override string ToString() => $"{Name} {TypeName} [{string.Join(", ", Shape)}]";
}
