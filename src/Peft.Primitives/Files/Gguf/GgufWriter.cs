using System.Text;
using Peft.Checkpoints;

namespace Peft.Gguf;

/// <summary>Writes a GGUF file, version 3, little-endian: the metadata, the descriptions of the tensors, and their data, each aligned to 32 bytes.</summary>
internal sealed class GgufWriter
{
    private const int Alignment = 32;

    private readonly List<(string Key, object Value)> metadata = [];
    private readonly List<(GgufTensor Tensor, long Bytes, Action<Stream> Write)> tensors = [];

    /// <summary>Adds a key-value pair: a string, bool, uint, float, or an array of string, int or float.</summary>
    public void Add(string key, object value) => metadata.Add((key, value));

    /// <summary>Adds a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">Its shape, in torch's order.</param>
    /// <param name="type">Its ggml type.</param>
    /// <param name="bytes">Its size in bytes.</param>
    /// <param name="write">Writes exactly that many bytes; called when the file is written.</param>
    public void AddTensor(string name, IReadOnlyList<long> shape, uint type, long bytes, Action<Stream> write)
    {
        var offset = tensors.Count == 0 ? 0 : Aligned(tensors[^1].Tensor.Offset + tensors[^1].Bytes);
        tensors.Add((new(name, shape, type, offset), bytes, write));
    }

    /// <summary>Writes the file. Crash-safe.</summary>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public void Write(string path)
    {
        var header = Header();
        var length = tensors.Count == 0 ? header.Length : header.Length + Aligned(tensors[^1].Tensor.Offset + tensors[^1].Bytes);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (var (tensor, bytes, write) in tensors)
            {
                write(stream);
                stream.Write(new byte[Aligned(bytes) - bytes]);
            }
        }, length);
    }

    private byte[] Header()
    {
        using var memory = new MemoryStream();
        using var writer = new BinaryWriter(memory);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach (var (key, value) in metadata)
        {
            Write(writer, key);
            WriteValue(writer, value);
        }
        foreach (var (tensor, _, _) in tensors)
        {
            Write(writer, tensor.Name);
            writer.Write((uint)tensor.Shape.Count);
            foreach (var size in tensor.Shape.Reverse()) writer.Write((ulong)size);   // the fastest dimension first
            writer.Write(tensor.Type);
            writer.Write((ulong)tensor.Offset);
        }
        writer.Write(new byte[Aligned(memory.Length) - memory.Length]);
        return memory.ToArray();
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        writer.Write(TypeOf(value));
        if (value is not Array items)
        {
            WriteScalar(writer, value);
            return;
        }
        writer.Write(value switch { string[] => 8u, float[] => 6u, int[] => 5u, _ => throw Unknown(value) });
        writer.Write((ulong)items.Length);
        foreach (var item in items) WriteScalar(writer, item);
    }

    private static uint TypeOf(object value) => value switch { uint => 4, float => 6, bool => 7, string => 8, Array => 9, _ => throw Unknown(value) };

    private static void WriteScalar(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case uint number: writer.Write(number); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case string text: Write(writer, text); break;
            default: throw Unknown(value);
        }
    }

    private static void Write(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Aligned(long position) => (position + Alignment - 1) / Alignment * Alignment;

    private static ArgumentException Unknown(object value) => new($"Values of type {value.GetType().Name} are not supported.", nameof(value));
}
