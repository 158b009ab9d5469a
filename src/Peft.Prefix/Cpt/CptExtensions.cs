namespace Peft;

/// <summary>Extension methods that apply context-aware prompt tuning to causal language models.</summary>
public static class CptExtensions
{
    /// <summary>Freezes a model and prepends examples with trainable embeddings to its input.</summary>
    /// <param name="examples">Inputs with their answers.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="beforeInput">Text before each input.</param>
    /// <param name="beforeAnswer">Text between an input and its answer.</param>
    /// <include file="../../Apply.xml" path="docs/tokens/*"/>
    public static PeftModel ApplyCpt(this IPromptedModel model, IEnumerable<(string Input, string Answer)> examples, ITokenizer tokenizer, string beforeInput = "Input: ", string beforeAnswer = "\nOutput: ")
        => model.Attach(CptOptions.FromExamples(examples, tokenizer, beforeInput, beforeAnswer));
}
