using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Excludes tokens that would repeat an n-gram (Paulus et al. 2017, arXiv:1705.04304).</summary>
/// <param name="size">The length n.</param>
/// <param name="texts">The tokens whose n-grams must not be repeated, a list per row.</param>
internal sealed class NoRepeatNGrams(int size, Func<LogitsContext, IReadOnlyList<IReadOnlyList<int>>> texts) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var excluded = new List<(int, int, float)>();
        for (var row = 0; row < context.Tokens.Count; row++)
        {
            var (text, tokens) = (texts(context)[row], context.Tokens[row]);
            if (tokens.Count < size - 1) continue;
            var found = new HashSet<int>();
            for (var start = 0; start + size <= text.Count; start++)
                if (EndsLike(tokens, text, start)) found.Add(text[start + size - 1]);
            foreach (var token in found) excluded.Add((row, token, float.NegativeInfinity));
        }
        return RowChoice.Add(scores, excluded);
    }

    private bool EndsLike(IReadOnlyList<int> tokens, IReadOnlyList<int> text, int start)
    {
        for (var i = 0; i < size - 1; i++)
            if (tokens[tokens.Count - size + 1 + i] != text[start + i]) return false;
        return true;
    }
}
