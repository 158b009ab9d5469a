using Peft.Checkpoints;
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
        using var file = SafetensorsFile.Open(Path.Combine(Folder(name), "io.safetensors"));
        return file.Keys.ToDictionary(key => key, key => file.Read(key));
    }

    public static double Difference(this Tensor actual, Tensor expected)
    {
        actual.shape.ShouldBe(expected.shape);
        using var difference = actual.to(float64).sub(expected.to(float64)).abs().max();
        return difference.item<double>();
    }

    public static List<int> Ids(this Tensor ids) => [.. ids.to(int64).contiguous().cpu().data<long>().Select(id => (int)id)];
}
