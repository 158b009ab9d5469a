using static TorchSharp.torch;

namespace Peft.Models.Tests.Chat;

/// <summary>Makes a model write an answer that depends on its prompt, token by token, and then end.</summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="end">The token that ends an answer.</param>
/// <param name="answer">The answer to a prompt.</param>
public sealed class ScriptedAnswers(Tokenizer tokenizer, int end, Func<string, string> answer) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var prompt = context.Prompts[0];
        var ids = tokenizer.Encode(answer(tokenizer.Decode(prompt)), addSpecialTokens: false);
        var at = context.Tokens[0].Count - prompt.Count;
        var result = full_like(scores, double.NegativeInfinity);
        result[0, at < ids.Count ? ids[at] : end] = 0;
        return result;
    }
}
