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
        const string merge = "Merge the adapter (MergeAndUnload) and serve the model.";
        if (adapter.Options is not LoraOptions lora)
        {
            yield return $"vLLM loads LoRA only, not {adapter.Options.PeftType}. {merge}";
            yield break;
        }
        // What subtracts a part of the weights is saved as plain LoRA of twice the rank.
        var most = lora.RankPattern.Values.Append(lora.Rank).Max() * (lora.Initialization.ReplacesBase || lora.Kasa is not null ? 2 : 1);
        if (most > options.MaxRank) yield return $"the rank {most} is above vLLM's limit of {options.MaxRank}: start it with --max-lora-rank {most}, and set {nameof(ExportOptions)}.{nameof(ExportOptions.MaxRank)}.";
        if (lora.UseDora) yield return $"vLLM does not support DoRA. {merge}";
        if (lora.Bias != "none" || lora.UseLoraBias) yield return $"vLLM does not support biases of adapters. {merge}";
        if (adapter.Layers.Any(layer => layer is FullLayer)) yield return $"vLLM does not support fully trained modules ({string.Join(", ", adapter.Layers.OfType<FullLayer>().Select(layer => layer.Target.Path).Take(3))}). {merge}";
        if (lora.RankPattern.Count + lora.AlphaPattern.Count > 0) yield return "vLLM does not read rank_pattern and alpha_pattern, and would scale the updates wrongly: train with one rank and alpha, or fold them into the factors (Combine with Combination.Cat into one adapter).";
        if (model.ResizedFrom is not null) yield return $"the embeddings were resized, and are saved with the adapter, which vLLM does not load. {merge}";
        if (adapter.Layers.Any(layer => layer.Target.IsLookup)) yield return $"vLLM does not apply LoRA to embeddings. {merge}";
        if (lora.UseDora || lora.UseLoraBias) yield break;   // these are not low-rank updates either
        foreach (var problem in LowRankUpdates.Problems(adapter, takesWhole: true)) yield return problem;
    }
}
