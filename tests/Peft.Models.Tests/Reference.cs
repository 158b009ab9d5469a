using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Models and expected values computed by transformers 5.12.1 in float32.</summary>
internal static class Reference
{
    public static string Folder(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "bases", name);

    public static string Stories => Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");

    /// <summary>The tensors of a base's io.safetensors.</summary>
    public static Dictionary<string, Tensor> Values(string name)
    {
        var folder = Directory.CreateTempSubdirectory("peft");
        File.Copy(Path.Combine(Folder(name), "io.safetensors"), Path.Combine(folder.FullName, "model.safetensors"));
        using var files = new WeightFiles(folder.FullName);
        var result = new Dictionary<string, Tensor>();
        foreach (var key in files.Keys)
        {
            var integer = !key.EndsWith("logits", StringComparison.Ordinal) && !key.EndsWith("loss", StringComparison.Ordinal);
            result[key] = empty(files.Shape(key), integer ? ScalarType.Int64 : ScalarType.Float32);
            files.CopyInto(key, result[key]);
        }
        folder.Delete(true);
        return result;
    }

    public static double Difference(this Tensor actual, Tensor expected)
    {
        actual.shape.ShouldBe(expected.shape);
        using var difference = actual.to(float64).sub(expected.to(float64)).abs().max();
        return difference.item<double>();
    }

    public static List<int> Ids(this Tensor ids) => [.. ids.to(int64).contiguous().cpu().data<long>().Select(id => (int)id)];
}
