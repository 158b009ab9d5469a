using Peft.Prefix;
using TorchSharp;

namespace Peft;

/// <summary>Adaption prompts on decoders.</summary>
public static class AdaptionPromptExtensions
{
    /// <summary>Freezes a decoder and lets the attention of its upper layers read learned tokens.</summary>
    /// <param name="model">The model.</param>
    /// <param name="length">Tokens of each layer.</param>
    /// <param name="layers">Number of layers, counted from the last; all but the first two, as in the paper, if null (all of a model with fewer than four).</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyAdaptionPrompt(this IPromptedModel model, int length = 10, int? layers = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var count = model.PromptShape.LayerCount;
        return model.Put(new AdaptionPromptOptions { Length = length, Layers = layers ?? (count < 4 ? count : count - 2) });
    }
}
