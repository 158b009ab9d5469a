using Google.FlatBuffers;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Export.Onnx;

/// <summary>Writes <c>.onnx_adapter</c> files: a flat buffer <c>TORT</c> of named tensors (onnxruntime/lora/adapter_format_version.h).</summary>
internal static class OnnxAdapterFile
{
    /// <summary>The extension of the files.</summary>
    public const string Extension = ".onnx_adapter";

    private const int FormatVersion = 1;

    /// <summary>Writes an adapter.</summary>
    /// <param name="path">The file.</param>
    /// <param name="adapter">The adapter.</param>
    /// <param name="model">The model.</param>
    /// <param name="dtype">Dtype of the values.</param>
    /// <param name="takes">True for the paths of the modules whose values are written.</param>
    public static void Write(string path, Adapter adapter, PretrainedModel model, ScalarType dtype, Func<string, bool> takes)
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        var tensors = new Dictionary<string, Tensor>();
        foreach (var (target, update) in LowRankUpdates.Of(adapter).Where(each => takes(each.Target.Path)))
        {
            tensors[$"{target.Path}.lora_A.weight"] = update.A.t();
            tensors[$"{target.Path}.lora_B.weight"] = update.B.t().mul(Constant(update.Scale));
        }
        foreach (var layer in adapter.Layers.OfType<FullLayer>().Where(layer => takes(layer.Target.Path)))
        {
            var own = layer.Merge(new(layer.Target.ReadMatrix(), layer.Target.Bias))!;
            tensors[layer.Target.Path + ".weight"] = layer.Target.IsMatrix ? own.Weight.t() : layer.Target.Module is RmsNorm ? own.Weight.add(Constant(model.Spec.NormOffset), One) : own.Weight;
            if (own.Bias is not null) tensors[layer.Target.Path + ".bias"] = own.Bias;
        }
        Write(path, tensors, dtype);
    }

    private static void Write(string path, Dictionary<string, Tensor> tensors, ScalarType dtype)
    {
        var builder = new FlatBufferBuilder(1 << 16);
        Offset<int>[] parameters = [.. tensors.Select(each => Parameter(builder, each.Key, each.Value, dtype))];
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

    private static Offset<int> Parameter(FlatBufferBuilder builder, string name, Tensor values, ScalarType dtype)
    {
        using var plain = OnnxValues.In(dtype, values, name);
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
        builder.AddInt(2, (int)OnnxValues.TypeOf(dtype), 0);
        builder.AddOffset(3, data.Value, 0);
        return new(builder.EndTable());
    }
}
