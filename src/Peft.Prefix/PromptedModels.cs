namespace Peft.Prefix;

/// <summary>Extension methods that add virtual tokens to pretrained models.</summary>
internal static class PromptedModels
{
    /// <summary>Freezes a model and prepends virtual tokens to its input.</summary>
    public static PeftModel Attach(this IPromptedModel model, AdapterOptions options) => ((nn.Module)model).ApplyAdapter(options);

    /// <summary>The options with virtual tokens that are initialized with the keys and values of a text.</summary>
    /// <param name="options">The options.</param>
    /// <param name="text">The text.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="virtualTokens">Number of the text's first tokens to use; all if null.</param>
    public static T From<T>(this T options, string text, ITokenizer tokenizer, int? virtualTokens) where T : KeyValueOptions
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return options with { VirtualTokens = virtualTokens ?? tokenizer.Encode(text).Count, InitialText = text, Tokenizer = tokenizer };
    }
}
