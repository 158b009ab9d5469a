using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Adds a bias to the score of the last token of a sequence if the others precede it. −∞ excludes the sequence.</summary>
internal sealed class RunBias(IReadOnlyList<TokenBias> biases) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var additions = new List<(int, int, float)>();
        for (var row = 0; row < context.Tokens.Count; row++)
            foreach (var (run, bias) in biases)
                if (EndsWithPrefixOf(context.Tokens[row], run)) additions.Add((row, run[^1], (float)bias));
        return RowChoice.Add(scores, additions);
    }

    private static bool EndsWithPrefixOf(IReadOnlyList<int> tokens, IReadOnlyList<int> run)
    {
        var length = run.Count - 1;
        if (tokens.Count < length) return false;
        for (var i = 0; i < length; i++)
            if (tokens[tokens.Count - length + i] != run[i]) return false;
        return true;
    }
}
