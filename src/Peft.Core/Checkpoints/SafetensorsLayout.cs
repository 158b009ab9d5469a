using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>Layout of a safetensors file to be written: the bytes of its header, and the tensors with their element sizes in the order of the file.</summary>
internal sealed class SafetensorsLayout
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly ArrayBufferWriter<byte> json = new();
    private readonly List<(Tensor, int)> tensors = [];

    /// <summary>The header, including the eight bytes of its length.</summary>
    public byte[] Header { get; private set; } = [];

    public IReadOnlyList<(Tensor Tensor, int ElementSize)> Tensors => tensors;

    /// <summary>Length of the file in bytes.</summary>
    public long FileLength { get; private set; }

    public static SafetensorsLayout Of(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var layout = new SafetensorsLayout();
        layout.WriteJson(tensors, metadata);
        return layout;
    }

    /// <summary>Returns the safetensors type of a tensor.</summary>
    /// <exception cref="ArgumentException">The tensor cannot be saved.</exception>
    public static SafetensorsType TypeOf(string name, Tensor tensor)
    {
        string? problem =
            name == SafetensorsFile.MetadataKey ? "has the name that the format reserves for metadata"
            : tensor is null || tensor.IsInvalid ? "is null or disposed"
            : tensor.is_meta ? "is on the meta device and has no data"
            : tensor.is_sparse ? "is sparse; call to_dense() first"
            : SafetensorsType.Of(tensor.dtype) is null ? $"has dtype {tensor.dtype}, which the safetensors format lacks"
            : null;
        return problem is null ? SafetensorsType.Of(tensor!.dtype)! : throw new ArgumentException($"Tensor '{name}' {problem}.");
    }

    private void WriteJson(IReadOnlyDictionary<string, Tensor> named, IReadOnlyDictionary<string, string>? metadata)
    {
        json.Write(stackalloc byte[sizeof(ulong)]); // the length, filled in at the end
        char separator = '{';
        if (metadata is not null)
        {
            Raw($"{{\"{SafetensorsFile.MetadataKey}\":");
            WriteMetadata(metadata);
            separator = ',';
        }
        long offset = 0;
        var ordered = named.Select(pair => (Name: Encode(pair.Key), pair.Value, Type: TypeOf(pair.Key, pair.Value)))
            .OrderByDescending(item => item.Type.Rank).ThenBy(item => item.Name, ByBytes);
        foreach (var (name, tensor, type) in ordered)
        {
            long[] shape = tensor.shape;
            long end = offset + type.ByteLength(shape)!.Value;
            Raw($"{separator}");
            Quoted(name);
            Raw($":{{\"dtype\":\"{type.Name}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{offset},{end}]}}");
            tensors.Add((tensor, type.Bits / 8));
            offset = end;
            separator = ',';
        }
        Raw(separator == '{' ? "{}" : "}");
        while (json.WrittenCount % sizeof(ulong) != 0) Raw(" ");
        Header = json.WrittenSpan.ToArray();
        if (Header.Length - sizeof(ulong) > SafetensorsFile.MaxHeaderBytes)
            throw new ArgumentException($"The names and metadata take {Header.Length} bytes, above the format's limit of {SafetensorsFile.MaxHeaderBytes}.");
        BinaryPrimitives.WriteUInt64LittleEndian(Header, (ulong)(Header.Length - sizeof(ulong)));
        FileLength = Header.Length + offset;
    }

    private void WriteMetadata(IReadOnlyDictionary<string, string> metadata)
    {
        char separator = '{';
        foreach (var (key, value) in metadata.Select(pair => (Encode(pair.Key), Encode(pair.Value))).OrderBy(pair => pair.Item1, ByBytes))
        {
            Raw($"{separator}");
            Quoted(key);
            Raw(":");
            Quoted(value);
            separator = ',';
        }
        Raw(separator == '{' ? "{}" : "}");
    }

    private void Raw(string text) => Encoding.UTF8.GetBytes(text, json);

    // The reference implementation escapes only quote, backslash and control characters, the latter in lower case. All .NET encoders escape more.
    private void Quoted(byte[] text)
    {
        Raw("\"");
        foreach (byte b in text)
        {
            switch (b)
            {
                case (byte)'"': Raw("\\\""); break;
                case (byte)'\\': Raw("\\\\"); break;
                case (byte)'\b': Raw("\\b"); break;
                case (byte)'\f': Raw("\\f"); break;
                case (byte)'\n': Raw("\\n"); break;
                case (byte)'\r': Raw("\\r"); break;
                case (byte)'\t': Raw("\\t"); break;
                case < 0x20: Raw($"\\u{b:x4}"); break;
                default: json.Write([b]); break;
            }
        }
        Raw("\"");
    }

    private static byte[] Encode(string text)
    {
        try
        {
            return StrictUtf8.GetBytes(text);
        }
        catch (EncoderFallbackException error)
        {
            throw new ArgumentException($"The string '{text}' contains an unpaired surrogate and cannot be saved as UTF-8.", error);
        }
    }

    // Order by UTF-8 bytes, which differs from UTF-16 order beyond the basic multilingual plane.
    private static readonly Comparer<byte[]> ByBytes = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));
}
