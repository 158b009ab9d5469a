using Peft.Prefix;
using TorchSharp;

namespace Peft;

/// <summary>Prefix tuning on pretrained transformers.</summary>
public static class PrefixTuningExtensions
{
    /// <summary>Freezes a model and puts learned keys and values, which start at 0, before its input in every layer.</summary>
    /// <param name="model">The model.</param>
    /// <param name="virtualTokens">How many.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyPrefixTuning(this IPromptedModel model, int virtualTokens = 20)
        => model.Put(new PrefixTuningOptions { VirtualTokens = virtualTokens, InitWeights = "zero" });

    /// <summary>Freezes a decoder and puts learned keys and values before its input in every layer, which start as those of a text: the model then begins as if it had read the text.</summary>
    /// <param name="model">The model.</param>
    /// <param name="text">The text.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="virtualTokens">How many of its first tokens; all if null.</param>
    /// <exception cref="AdapterOptionsException">The text is too short.</exception>
    public static PeftModel ApplyPrefixTuning(this IPromptedModel model, string text, ITokenizer tokenizer, int? virtualTokens = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return model.Put(new PrefixTuningOptions { VirtualTokens = virtualTokens ?? tokenizer.Encode(text).Count, StartText = text, Tokenizer = tokenizer });
    }
}
