namespace Peft;

/// <summary>Extension methods that apply prefix tuning to pretrained transformers.</summary>
public static class PrefixTuningExtensions
{
    /// <summary>Freezes a model and prepends learned keys and values, initialized to 0, in every layer.</summary>
    /// <param name="model">The model.</param>
    /// <param name="virtualTokens">Number of virtual tokens.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyPrefixTuning(this IPromptedModel model, int virtualTokens = 20)
        => model.Attach(new PrefixTuningOptions { VirtualTokens = virtualTokens, InitWeights = "zero" });

    /// <summary>
    /// Freezes a decoder and prepends learned keys and values in every layer, initialized with those of a text. Before training, the model acts as if it had
    /// read the text.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="text">The text.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="virtualTokens">Number of the text's first tokens to use; all if null.</param>
    /// <exception cref="AdapterOptionsException">The text is too short.</exception>
    public static PeftModel ApplyPrefixTuning(this IPromptedModel model, string text, ITokenizer tokenizer, int? virtualTokens = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return model.Attach(new PrefixTuningOptions { VirtualTokens = virtualTokens ?? tokenizer.Encode(text).Count, InitialText = text, Tokenizer = tokenizer });
    }
}
