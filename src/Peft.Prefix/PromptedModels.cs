namespace Peft.Prefix;

/// <summary>Extension methods that add virtual tokens to pretrained models.</summary>
internal static class PromptedModels
{
    /// <summary>Freezes a model and prepends virtual tokens to its input.</summary>
    public static PeftModel Attach(this IPromptedModel model, AdapterOptions options) => ((nn.Module)model).ApplyAdapter(options);
}
