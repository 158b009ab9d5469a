using System.Text;

namespace Peft.Core.Tests.Checkpoints.Onnx;

/// <summary>A protocol buffer, built field by field.</summary>
internal sealed class OnnxMessage
{
    private readonly List<byte> bytes = [];

    public byte[] Bytes => [.. bytes];

    /// <summary>A whole file: a model with a graph.</summary>
    public static byte[] Model(params (int Field, OnnxMessage Value)[] parts)
    {
        var graph = new OnnxMessage();
        foreach (var (field, value) in parts) graph.Add(field, value.Bytes);
        return new OnnxMessage().Add(7, graph.Bytes).Bytes;
    }

    public static (int, OnnxMessage) Initializer(string name, long type, long[] shape, Action<OnnxMessage> elements)
    {
        var tensor = new OnnxMessage();
        foreach (long length in shape) tensor.Add(1, (ulong)length);
        tensor.Add(2, (ulong)type).Add(8, name);
        elements(tensor);
        return (5, tensor);
    }

    public static (int, OnnxMessage) Floats(string name, params long[] shape)
        => Initializer(name, 1, shape, tensor => tensor.Add(9, [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).SelectMany(i => BitConverter.GetBytes((float)i))]));

    public static (int, OnnxMessage) Node(string operation, string output, params string[] inputs)
    {
        var node = new OnnxMessage();
        foreach (string input in inputs) node.Add(1, input);
        return (1, node.Add(2, output).Add(4, operation));
    }

    public static OnnxMessage External(string key, string value) => new OnnxMessage().Add(1, key).Add(2, value);

    public OnnxMessage Add(int field, ulong number)
    {
        Varint((ulong)field << 3);
        Varint(number);
        return this;
    }

    public OnnxMessage Add(int field, byte[] value)
    {
        Varint(((ulong)field << 3) | 2);
        Varint((ulong)value.Length);
        bytes.AddRange(value);
        return this;
    }

    public OnnxMessage Add(int field, string text) => Add(field, Encoding.UTF8.GetBytes(text));

    public OnnxMessage Add(int field, float value)
    {
        Varint(((ulong)field << 3) | 5);
        bytes.AddRange(BitConverter.GetBytes(value));
        return this;
    }

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }
}
