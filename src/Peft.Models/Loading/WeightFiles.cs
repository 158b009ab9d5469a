using System.Buffers.Binary;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The tensors of a model folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> names.</summary>
internal sealed class WeightFiles : IDisposable
{
    private sealed record Entry(FileStream File, long Offset, long Bytes, ScalarType Type, long[] Shape);

    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
    private readonly List<FileStream> files = [];

    public WeightFiles(string folder)
    {
        var single = Path.Combine(folder, "model.safetensors");
        var index = Path.Combine(folder, "model.safetensors.index.json");
        if (File.Exists(single)) Open(single);
        else if (File.Exists(index))
        {
            var map = JsonNode.Parse(File.ReadAllText(index))?["weight_map"] as JsonObject
                ?? throw new ModelFolderException($"{index} has no weight_map.");
            foreach (var shard in map.Select(pair => pair.Value!.GetValue<string>()).Distinct()) Open(Path.Combine(folder, shard));
        }
        else throw new ModelFolderException($"'{folder}' holds neither model.safetensors nor model.safetensors.index.json.");
    }

    public IEnumerable<string> Keys => entries.Keys;

    public long[] Shape(string key) => entries[key].Shape;

    public void CopyInto(string key, Tensor target)
    {
        var entry = entries[key];
        using var staging = empty(entry.Shape, entry.Type);
        entry.File.Position = entry.Offset;
        entry.File.ReadExactly(staging.bytes);
        target.copy_(staging);
    }

    private void Open(string path)
    {
        if (!File.Exists(path)) throw new ModelFolderException($"The weight file '{path}' is missing.");
        var file = File.OpenRead(path);
        files.Add(file);
        Span<byte> lengthBytes = stackalloc byte[8];
        file.ReadExactly(lengthBytes);
        var length = BinaryPrimitives.ReadInt64LittleEndian(lengthBytes);
        if (length <= 0 || length > file.Length - 8) throw new ModelFolderException($"'{path}' is not a safetensors file, or is cut short.");
        var header = new byte[length];
        file.ReadExactly(header);
        foreach (var (name, value) in JsonNode.Parse(header)!.AsObject())
        {
            if (name == "__metadata__") continue;
            var offsets = value!["data_offsets"]!.AsArray();
            var (start, end) = (offsets[0]!.GetValue<long>(), offsets[1]!.GetValue<long>());
            var type = value["dtype"]!.GetValue<string>() switch
            {
                "F32" => ScalarType.Float32,
                "F16" => ScalarType.Float16,
                "BF16" => ScalarType.BFloat16,
                "F64" => ScalarType.Float64,
                "I64" => ScalarType.Int64,
                "I32" => ScalarType.Int32,
                "U8" => ScalarType.Byte,
                "BOOL" => ScalarType.Bool,
                var other => throw new ModelFolderException($"'{path}': tensor {name} has type {other}, which is not supported."),
            };
            entries[name] = new(file, 8 + length + start, end - start, type, [.. value["shape"]!.AsArray().Select(n => n!.GetValue<long>())]);
        }
    }

    public void Dispose()
    {
        foreach (var file in files) file.Dispose();
    }
}
