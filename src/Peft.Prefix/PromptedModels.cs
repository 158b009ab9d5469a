using static TorchSharp.torch;

namespace Peft.Prefix;

/// <summary>Virtual tokens on pretrained models.</summary>
internal static class PromptedModels
{
    /// <summary>Freezes a model and puts virtual tokens before its input.</summary>
    public static PeftModel Put(this IPromptedModel model, AdapterOptions options) => ((nn.Module)model).ApplyAdapter(options);
}
