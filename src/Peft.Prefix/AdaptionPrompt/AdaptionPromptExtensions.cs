namespace Peft;

/// <summary>Extension methods that apply adaption prompts to decoders.</summary>
public static class AdaptionPromptExtensions
{
    /// <summary>Freezes a decoder and adds learned tokens to the attention of its upper layers.</summary>
    /// <param name="length">Number of learned tokens per layer.</param>
    /// <param name="layers">Number of adapted layers, counted from the last. If null: all but the first two, as in the paper, or all layers of a model with fewer than four.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyAdaptionPrompt(this IPromptedModel model, int length = 10, int? layers = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var count = model.PromptShape.LayerCount;
        return model.Attach(new AdaptionPromptOptions { Length = length, Layers = layers ?? (count < 4 ? count : count - 2) });
    }
}
