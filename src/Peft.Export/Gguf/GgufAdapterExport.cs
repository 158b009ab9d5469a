using System.Runtime.InteropServices;
using Peft.Gguf;
using Peft.Models;
using Peft.Models.Gguf;
using static TorchSharp.torch;

namespace Peft.Export.Gguf;

/// <summary>Writes the low-rank updates of an adapter to a GGUF file. llama.cpp computes scale · alpha / rank · B·A for each; other factors than alpha / rank are multiplied into B.</summary>
internal static class GgufAdapterExport
{
    public static void Write(PretrainedModel model, Adapter adapter, string path, string? name)
    {
        if (Problems(model, adapter).ToArray() is { Length: > 0 } problems) throw new ExportException(path, problems);
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        var names = new GgufNames(model);
        var updates = LowRankUpdates.Of(adapter).Select(each => (Tensor: names.Of(each.Target.Path, "weight")!, each.Target, each.Update)).OrderBy(each => each.Tensor, StringComparer.Ordinal).ToArray();
        var alpha = (adapter.Options as LoraOptions)?.Alpha ?? updates[0].Update.Scale * updates[0].Update.A.size(0);
        var writer = new GgufWriter();
        writer.Add("general.architecture", GgufArchitecture.NameOf(model)!);
        writer.Add("general.type", "adapter");
        writer.Add("adapter.type", "lora");
        writer.Add("general.name", name ?? Path.GetFileNameWithoutExtension(path));
        writer.Add("general.quantization_version", 2u);
        writer.Add("adapter.lora.alpha", (float)alpha);
        foreach (var (tensor, target, update) in updates)
        {
            var (a, b) = (Float(update.A), Float(update.B));
            // With an alpha of 0, llama.cpp leaves alpha / rank out.
            var factor = alpha == 0 ? update.Scale : update.Scale * a.size(0) / alpha;
            if (Math.Abs(factor - 1) > 1e-12) b = b.mul(Constant(factor));
            Add(writer, tensor + ".lora_a", target.IsLookup ? a.t() : a);
            Add(writer, tensor + ".lora_b", GgufModelExport.Reordered(model, tensor, b));
        }
        writer.Write(path);
    }

    /// <summary>What keeps llama.cpp from computing what the adapter does.</summary>
    public static IEnumerable<string> Problems(PretrainedModel model, Adapter adapter)
    {
        foreach (var problem in GgufArchitecture.Problems(model)) yield return problem;
        if (GgufArchitecture.NameOf(model) is null || model is not CausalLM) yield break;
        foreach (var problem in LowRankUpdates.Problems(adapter)) yield return problem;
        var names = new GgufNames(model);
        foreach (var target in adapter.Layers.Select(layer => layer.Target).Distinct())
        {
            if (names.Of(target.Path, "weight") is null) yield return $"{target.Path} has no tensor in GGUF files.";
            // llama.cpp would take the factors for those of the head, and stop.
            else if (target.IsLookup && model.Spec.TiedHead) yield return $"{target.Path} shares its weight with the head, and llama.cpp cannot adapt one of them alone. Untie them, or merge.";
            else if (!target.IsLookup && target.SharesWeightWithEmbedding(model)) yield return $"{target.Path} shares its weight with the embedding, so that the file has no separate tensor to adapt. Untie them, or merge.";
        }
    }

    private static bool SharesWeightWithEmbedding(this Target target, PretrainedModel model) => model.TiedParameters.Contains(target.Path + ".weight");

    private static Tensor Float(Tensor factor) => factor.detach().cpu().to_type(ScalarType.Float32);

    private static void Add(GgufWriter writer, string name, Tensor values)
    {
        var numbers = values.contiguous().data<float>().ToArray();
        writer.AddTensor(name, values.shape, 0, numbers.LongLength * sizeof(float), stream => stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan())));
    }
}
