using Google.FlatBuffers;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Export.Onnx;

/// <summary>Writes <c>.onnx_adapter</c> files: a flat buffer <c>TORT</c> of named tensors (onnxruntime/lora/adapter_format_version.h).</summary>
internal static class OnnxAdapterFile
{
    private const int FormatVersion = 1, Float = 1;

    /// <summary>Writes tensors in float32.</summary>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var builder = new FlatBufferBuilder(1 << 16);
        Offset<int>[] parameters = [.. tensors.Select(each => Parameter(builder, each.Key, each.Value))];
        builder.StartVector(sizeof(int), parameters.Length, sizeof(int));
        foreach (var parameter in parameters.Reverse()) builder.AddOffset(parameter.Value);
        var list = builder.EndVector();
        builder.StartTable(4);
        builder.AddInt(0, FormatVersion, 0);
        builder.AddOffset(3, list.Value, 0);
        builder.Finish(builder.EndTable(), "TORT");
        var bytes = builder.SizedByteArray();
        AtomicFile.Write(path, stream => stream.Write(bytes), bytes.Length);
    }

    private static Offset<int> Parameter(FlatBufferBuilder builder, string name, Tensor values)
    {
        using var plain = values.detach().cpu().to_type(ScalarType.Float32).contiguous();
        var bytes = plain.bytes;
        builder.StartVector(1, bytes.Length, 8);
        builder.Pad(0);
        for (var i = bytes.Length - 1; i >= 0; i--) builder.AddByte(bytes[i]);
        var data = builder.EndVector();
        builder.StartVector(sizeof(long), plain.shape.Length, sizeof(long));
        foreach (var size in plain.shape.Reverse()) builder.AddLong(size);
        var dims = builder.EndVector();
        var text = builder.CreateString(name);
        builder.StartTable(4);
        builder.AddOffset(0, text.Value, 0);
        builder.AddOffset(1, dims.Value, 0);
        builder.AddInt(2, Float, 0);
        builder.AddOffset(3, data.Value, 0);
        return new(builder.EndTable());
    }
}
