namespace Peft;

/// <summary>Extension methods that apply prefix tuning to pretrained transformers.</summary>
public static class PrefixTuningExtensions
{
    /// <summary>Freezes a model and prepends learned keys and values, initialized to 0, in every layer.</summary>
    /// <param name="virtualTokens">Number of virtual tokens.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyPrefixTuning(this IPromptedModel model, int virtualTokens = 20)
        => model.Attach(new PrefixTuningOptions { VirtualTokens = virtualTokens, InitWeights = "zero" });

    /// <summary>
    /// Freezes a decoder and prepends learned keys and values in every layer, initialized with those of a text. Before training, the model acts as if it had
    /// read the text.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <include file="../../Apply.xml" path="docs/text/*"/>
    public static PeftModel ApplyPrefixTuning(this IPromptedModel model, string text, ITokenizer tokenizer, int? virtualTokens = null)
        => model.Attach(new PrefixTuningOptions().From(text, tokenizer, virtualTokens));
}
