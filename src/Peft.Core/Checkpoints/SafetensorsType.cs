using System.Collections.Frozen;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>An element type of the safetensors format.</summary>
/// <param name="Rank">Order among the types. Tensors of higher rank come first in a file, which keeps all of them aligned.</param>
/// <param name="Name">Name in the header.</param>
/// <param name="Bits">Size of one element in bits.</param>
/// <param name="Scalar">TorchSharp's dtype; null if it has none.</param>
internal sealed record SafetensorsType(int Rank, string Name, int Bits, ScalarType? Scalar)
{
    // The order of the format's reference implementation, which determines the byte layout of every file.
    private static readonly SafetensorsType[] All = [.. new (string Name, int Bits, ScalarType? Scalar)[]
    {
        ("BOOL", 8, ScalarType.Bool),
        ("F4", 4, null),
        ("F6_E2M3", 6, null),
        ("F6_E3M2", 6, null),
        ("U8", 8, ScalarType.Byte),
        ("I8", 8, ScalarType.Int8),
        ("F8_E5M2", 8, null),
        ("F8_E4M3", 8, null),
        ("F8_E8M0", 8, null),
        ("F8_E4M3FNUZ", 8, null),
        ("F8_E5M2FNUZ", 8, null),
        ("I16", 16, ScalarType.Int16),
        ("U16", 16, null),
        ("F16", 16, ScalarType.Float16),
        ("BF16", 16, ScalarType.BFloat16),
        ("I32", 32, ScalarType.Int32),
        ("U32", 32, null),
        ("F32", 32, ScalarType.Float32),
        ("C64", 64, ScalarType.ComplexFloat32),
        ("F64", 64, ScalarType.Float64),
        ("I64", 64, ScalarType.Int64),
        ("U64", 64, null),
    }.Select((type, rank) => new SafetensorsType(rank, type.Name, type.Bits, type.Scalar))];

    private static readonly FrozenDictionary<string, SafetensorsType> ByName = All.ToFrozenDictionary(type => type.Name);

    private static readonly FrozenDictionary<ScalarType, SafetensorsType> ByScalar =
        All.Where(type => type.Scalar is not null).ToFrozenDictionary(type => type.Scalar!.Value);

    public static SafetensorsType? Named(string name) => ByName.GetValueOrDefault(name);

    public static SafetensorsType? Of(ScalarType scalar) => ByScalar.GetValueOrDefault(scalar);

    /// <summary>Computes the size of a tensor in bytes; null if it or the element count overflows, or the last byte would be used only partly.</summary>
    public long? ByteLength(ReadOnlySpan<long> shape)
    {
        bool empty = false;
        // The product omits zero lengths, since the strides of the other dimensions must not overflow either.
        UInt128 bits = (uint)Bits;
        foreach (long length in shape)
        {
            if (length == 0) empty = true;
            else bits *= (ulong)length;
            if (bits > long.MaxValue) return null;
        }
        if (empty) return 0;
        return bits % 8 == 0 ? (long)(bits / 8) : null;
    }
}
