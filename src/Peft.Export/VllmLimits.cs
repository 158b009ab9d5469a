using Peft.Lora;
using Peft.Models;

namespace Peft.Export;

/// <summary>
/// What vLLM takes of an adapter folder, as its <c>PEFTHelper</c> checks it: LoRA on linear modules, of a rank up to a limit, without biases, DoRA or fully trained modules. Patterns of ranks and
/// scalings are not read there, so they are refused here.
/// </summary>
internal static class VllmLimits
{
    public static IEnumerable<string> Problems(Adapter adapter, PretrainedModel model, ExportOptions options)
    {
        var plain = PlainLora.Problems(adapter, "vLLM").ToList();
        foreach (var problem in plain) yield return problem;
        if (adapter.Options is not LoraOptions lora) yield break;
        // What subtracts a part of the weights is saved as plain LoRA of twice the rank.
        var most = lora.RankPattern.Values.Append(lora.Rank).Max() * (lora.Initialization.ReplacesBase || lora.Kasa is not null ? 2 : 1);
        if (most > options.MaxRank) yield return $"the rank {most} is above vLLM's limit of {options.MaxRank}: start it with --max-lora-rank {most}, and set {nameof(ExportOptions)}.{nameof(ExportOptions.MaxRank)}.";
        if (adapter.Layers.Any(layer => layer is FullLayer)) yield return $"fully trained modules ({string.Join(", ", adapter.Layers.OfType<FullLayer>().Select(layer => layer.Target.Path).Take(3))}) are not supported by vLLM. {PlainLora.Merge}";
        if (lora.RankPattern.Count + lora.AlphaPattern.Count > 0) yield return "vLLM does not read rank_pattern and alpha_pattern, and would scale the updates wrongly: train with one rank and alpha, or fold them into the factors (Combine with Combination.Cat into one adapter).";
        if (model.ResizedFrom is not null) yield return $"the embeddings were resized, and are saved with the adapter, which vLLM does not load. {PlainLora.Merge}";
        if (adapter.Layers.Any(layer => layer.Target.IsLookup)) yield return $"vLLM does not apply LoRA to embeddings. {PlainLora.Merge}";
        if (plain.Count > 0) yield break;   // these are not low-rank updates either
        foreach (var problem in LowRankUpdates.Problems(adapter, takesWhole: true)) yield return problem;
    }
}
