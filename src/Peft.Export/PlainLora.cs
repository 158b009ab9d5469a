namespace Peft.Export;

/// <summary>What a plain LoRA has: two factors for each module, and a scaling. Modules that are fully trained may be saved with it.</summary>
internal static class PlainLora
{
    public const string Merge = "Merge the adapter (MergeAndUnload) and use the model.";

    /// <summary>The parts of an adapter that a plain LoRA lacks.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="reader">Who reads plain LoRA only.</param>
    public static IEnumerable<string> Problems(Adapter adapter, string reader)
    {
        if (adapter.Options is not LoraOptions lora)
        {
            yield return $"{adapter.Options.PeftType} is not supported by {reader}, only LoRA is. {Merge}";
            yield break;
        }
        if (lora.UseDora) yield return $"DoRA is not supported by {reader}. {Merge}";
        if (lora.Bias != "none" || lora.UseLoraBias) yield return $"biases of adapters are not supported by {reader}. {Merge}";
        if (lora.AloraInvocationTokens is not null) yield return $"activated LoRA, which applies to some positions only, is not supported by {reader}.";
        if (lora.Arrow is not null) yield return $"Arrow's router is not supported by {reader}: export its experts one by one.";
        if (lora.LayerReplication is not null) yield return $"layer_replication is not supported by {reader}.";
    }
}
