using System.Globalization;
using Google.Protobuf;
using Onnx;
using Peft.Checkpoints;

namespace Peft.Export.Onnx;

/// <summary>Writes ONNX models. Above a given size, weights are in a separate file next to the model, since a protocol buffer is limited to 2 GB.</summary>
internal static class OnnxModelFile
{
    private const int SmallestExternal = 1024, Alignment = 64;

    /// <summary>Writes a model.</summary>
    /// <param name="model">The model; its weights are moved out of it if they are written separately.</param>
    /// <param name="path">The file. External weights are in the file of this name with <c>.data</c>.</param>
    /// <param name="maxBytes">Maximum number of bytes of weights inside the file.</param>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void Write(ModelProto model, string path, long maxBytes)
    {
        if (Weights(model) <= maxBytes)
        {
            AtomicFile.Write(path, stream => Write(model, stream));
            return;
        }
        AtomicFolder.Write(Path.GetDirectoryName(Path.GetFullPath(path))!, staging => WriteInto(staging, Path.GetFileName(path), model, maxBytes));
    }

    /// <summary>Writes a model into a folder that no one reads yet.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">Name of the file.</param>
    /// <param name="model">The model; its weights are moved out of it if they are written separately.</param>
    /// <param name="maxBytes">Maximum number of bytes of weights inside the file.</param>
    public static void WriteInto(string folder, string name, ModelProto model, long maxBytes)
    {
        if (Weights(model) > maxBytes)
            using (var data = File.Create(Path.Combine(folder, name + ".data")))
                foreach (var tensor in model.Graph.Initializer.Where(each => each.RawData.Length >= SmallestExternal)) MoveOut(tensor, data, name + ".data");
        using var stream = File.Create(Path.Combine(folder, name));
        Write(model, stream);
    }

    private static long Weights(ModelProto model) => model.Graph.Initializer.Sum(each => (long)each.RawData.Length);

    private static void Write(ModelProto model, Stream stream)
    {
        using var output = new CodedOutputStream(stream, leaveOpen: true);
        model.WriteTo(output);
    }

    private static void MoveOut(TensorProto tensor, FileStream data, string location)
    {
        data.Write(new byte[(Alignment - (data.Position % Alignment)) % Alignment]);
        var offset = data.Position;
        tensor.RawData.WriteTo(data);
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
        foreach (var (key, value) in new[] { ("location", location), ("offset", Text(offset)), ("length", Text(data.Position - offset)) }) tensor.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
        tensor.RawData = ByteString.Empty;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
