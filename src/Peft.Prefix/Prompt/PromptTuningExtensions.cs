namespace Peft;

/// <summary>Extension methods that apply prompt tuning to pretrained transformers.</summary>
public static class PromptTuningExtensions
{
    /// <summary>Freezes a model and prepends learned embeddings to its input, initialized with the embeddings of tokens sampled from the vocabulary.</summary>
    /// <param name="virtualTokens">Number of virtual tokens.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyPromptTuning(this IPromptedModel model, int virtualTokens = 20)
        => model.Attach(new PromptTuningOptions { VirtualTokens = virtualTokens, Initialization = PromptInitialization.SampleVocabulary });

    /// <summary>Freezes a model and prepends learned embeddings to its input, initialized with the embeddings of a text.</summary>
    /// <param name="text">The text, such as a description of the task.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="virtualTokens">Number of virtual tokens; the number of the text's tokens if null.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyPromptTuning(this IPromptedModel model, string text, ITokenizer tokenizer, int? virtualTokens = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return model.Attach(new PromptTuningOptions { VirtualTokens = virtualTokens ?? tokenizer.Encode(text).Count, Initialization = PromptInitialization.Text, InitialText = text, Tokenizer = tokenizer });
    }
}
