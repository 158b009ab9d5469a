using System.Text.Json;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>What bitsandbytes, transformers, Hugging Face PEFT and llama.cpp compute on quantized weights: the folder <c>quant</c> of the oracle.</summary>
public static class QuantizedOracle
{
    public static string Folder => Path.Combine(Oracle.Folder, "quant");

    /// <summary>The entries of a folder's manifest, or of a part of it.</summary>
    public static IReadOnlyList<JsonElement> Manifest(string folder, string? part = null)
    {
        var root = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, folder, "manifest.json"))).RootElement;
        return [.. (part is null ? root : root.GetProperty(part)).EnumerateArray()];
    }

    /// <summary>The ids of a manifest, for a theory.</summary>
    public static TheoryData<string> Ids(string folder, string? part = null, Func<JsonElement, bool>? choose = null)
        => [.. Manifest(folder, part).Where(each => choose?.Invoke(each) ?? true).Select(Id)];

    public static JsonElement Entry(string folder, string id, string? part = null) => Manifest(folder, part).Single(each => Id(each) == id);

    public static SafetensorsFile Open(string folder, string id) => SafetensorsFile.Open(Path.Combine(Folder, folder, id + ".safetensors"));

    /// <summary>True if the file of an entry has a tensor.</summary>
    public static bool Has(string folder, string id, string tensor)
    {
        using var file = Open(folder, id);
        return file.Tensors.ContainsKey(tensor);
    }

    public static string Id(JsonElement each) => each.GetProperty("id").GetString()!;

    /// <summary>Fails unless two tensors have the same shape and bits.</summary>
    public static void ShouldBeExactly(this Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        actual.dtype.ShouldBe(expected.dtype);
        actual.shape.ShouldBe(expected.shape);
        var differing = actual.ne(expected).sum().item<long>();
        differing.ShouldBe(0, $"of {actual.numel()} elements, by at most {(differing == 0 ? 0 : actual.Difference(expected))}");
    }
}
