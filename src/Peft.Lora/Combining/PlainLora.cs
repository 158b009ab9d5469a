using TorchSharp;
using TorchSharp.Modules;

namespace Peft.Lora;

/// <summary>What a plain LoRA has: two factors for each module, and a scaling. Modules that are fully trained may be saved with it.</summary>
internal static class PlainLora
{
    public const string Merge = "Merge the adapter (MergeAndUnload) and use the model.";
    private const string Keep = "Save it as it is (SaveAdapter), and load it in Hugging Face PEFT or this library.";

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
        if (lora.TrainableTokenIndices is not null) yield return $"trained tokens (trainable_token_indices) are not supported by {reader}. {Merge}";
        if (lora.TargetParameters is { Count: > 0 }) yield return $"adapted parameters (target_parameters) are not supported by {reader}. {Merge}";
        if (lora.AloraInvocationTokens is not null) yield return $"activated LoRA, which applies to some positions only, is not supported by {reader}. {Keep}";
        if (lora.Arrow is not null) yield return $"Arrow's router is not supported by {reader}: export its experts one by one.";
        if (lora.LayerReplication is not null) yield return $"layer_replication is not supported by {reader}. {Keep}";
        if (adapter.Layers.FirstOrDefault(layer => layer is not FullLayer && PadsOrDilates(layer.Target)) is { } odd)
            yield return $"{odd.Target.Path} is a convolution with dilation or padding other than zeros, which {reader} do not apply to LoRA's factor A. {Merge}";
    }

    private static bool PadsOrDilates(Target target)
        => target.Module is Convolution convolution && (convolution.padding_mode != PaddingModes.Zeros || convolution.dilation?.Any(step => step != 1) == true);
}
