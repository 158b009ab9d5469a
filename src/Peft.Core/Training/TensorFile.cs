using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Training state on disk, in the safetensors format: length of the header, header in JSON, bytes of the tensors.</summary>
internal static class TensorFile
{
    private static readonly Dictionary<ScalarType, string> Types = new()
    {
        [ScalarType.Float64] = "F64",
        [ScalarType.Float32] = "F32",
        [ScalarType.Float16] = "F16",
        [ScalarType.BFloat16] = "BF16",
        [ScalarType.Int64] = "I64",
        [ScalarType.Int32] = "I32",
        [ScalarType.Int8] = "I8",
        [ScalarType.Byte] = "U8",
        [ScalarType.Bool] = "BOOL",
    };

    /// <summary>Writes tensors and makes sure that they are on the disk.</summary>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var header = new JsonObject();
        var end = 0L;
        foreach (var (name, value) in tensors)
        {
            var start = end;
            end += value.numel() * value.ElementSize;
            header[name] = new JsonObject
            {
                ["dtype"] = Types[value.dtype],
                ["shape"] = new JsonArray([.. value.shape.Select(size => JsonValue.Create(size))]),
                ["data_offsets"] = new JsonArray(start, end),
            };
        }
        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        using var file = File.Create(path);
        file.Write(length);
        file.Write(json);
        foreach (var value in tensors.Values)
        {
            using var scope = NewDisposeScope();
            file.Write(value.detach().cpu().contiguous().bytes);
        }
        file.Flush(flushToDisk: true);
    }

    /// <summary>Reads tensors to the CPU. The caller disposes them.</summary>
    /// <exception cref="TrainingException">The file is missing or damaged.</exception>
    public static Dictionary<string, Tensor> Read(string path)
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            using var file = File.OpenRead(path);
            Span<byte> length = stackalloc byte[8];
            file.ReadExactly(length);
            var size = BinaryPrimitives.ReadInt64LittleEndian(length);
            if (size < 0 || size > file.Length - 8) throw new InvalidDataException($"the header claims {size} bytes.");
            var json = new byte[size];
            file.ReadExactly(json);
            foreach (var (name, entry) in JsonNode.Parse(json)!.AsObject())
            {
                var type = Types.First(pair => pair.Value == (string?)entry!["dtype"]).Key;
                var shape = entry!["shape"]!.AsArray().Select(dimension => (long)dimension!).ToArray();
                var (start, end) = ((long)entry["data_offsets"]![0]!, (long)entry["data_offsets"]![1]!);
                if (start < 0 || end < start || end > file.Length - 8 - size || shape.Any(dimension => dimension < 0 || dimension > file.Length))
                    throw new InvalidDataException($"tensor {name} lies outside the file.");
                var value = empty(shape, dtype: type);
                tensors[name] = value;
                if (value.numel() * value.ElementSize != end - start) throw new InvalidDataException($"tensor {name} has another size than its shape says.");
                file.Position = 8 + size + start;
                file.ReadExactly(value.bytes);
            }
            return tensors;
        }
        catch (Exception e) when (e is not OutOfMemoryException)   // a damaged header fails in many ways
        {
            foreach (var value in tensors.Values) value.Dispose();
            throw new TrainingException($"The training state {path} cannot be read: {e.Message} Resume from another checkpoint.", e);
        }
    }
}
