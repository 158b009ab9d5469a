using Peft.Prefix;

namespace Peft;

/// <summary>Prompt tuning on pretrained transformers.</summary>
public static class PromptTuningExtensions
{
    /// <summary>Freezes a model and puts learned embeddings before its input, which start as those of tokens drawn from its vocabulary.</summary>
    /// <param name="model">The model.</param>
    /// <param name="virtualTokens">How many.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyPromptTuning(this IPromptedModel model, int virtualTokens = 20)
        => model.Put(new PromptTuningOptions { VirtualTokens = virtualTokens, Start = PromptStart.SampleVocabulary });

    /// <summary>Freezes a model and puts learned embeddings before its input, which start as those of a text.</summary>
    /// <param name="model">The model.</param>
    /// <param name="text">The text, such as what the model is to do.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="virtualTokens">How many; as many as the text has tokens if null.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public static PeftModel ApplyPromptTuning(this IPromptedModel model, string text, ITokenizer tokenizer, int? virtualTokens = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return model.Put(new PromptTuningOptions { VirtualTokens = virtualTokens ?? tokenizer.Encode(text).Count, Start = PromptStart.Text, StartText = text, Tokenizer = tokenizer });
    }
}
