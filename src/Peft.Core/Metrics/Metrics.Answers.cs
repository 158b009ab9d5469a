using System.Text.RegularExpressions;

namespace Peft;

// Metrics for question answering, as in SQuAD's official script (Rajpurkar et al. 2016, arXiv:1606.05250; 2018, arXiv:1806.03822).
public static partial class Metrics
{
    /// <summary>Returns 1 if an answer equals one of the correct answers, ignoring case, punctuation, articles and white space; otherwise 0.</summary>
    /// <param name="answer">The predicted answer; empty for no answer.</param>
    /// <param name="expected">The correct answers; no string, or an empty one, if there is no answer.</param>
    public static double ExactMatch(string answer, params IReadOnlyCollection<string> expected)
        => Best(expected, right => Normalize(answer) == Normalize(right) ? 1 : 0);

    /// <summary>Computes the F1 of the words that an answer shares with a correct answer, and returns the maximum over the correct answers. If either is empty: 1 if both are, otherwise 0.</summary>
    /// <param name="answer">The predicted answer; empty for no answer.</param>
    /// <param name="expected">The correct answers; no string, or an empty one, if there is no answer.</param>
    public static double TokenF1(string answer, params IReadOnlyCollection<string> expected)
    {
        var words = Words(answer);
        return Best(expected, right =>
        {
            var sought = Words(right);
            if (words.Length == 0 || sought.Length == 0) return words.Length == sought.Length ? 1 : 0;
            var counts = sought.CountBy(word => word).ToDictionary();
            return FScore.Of(words.CountBy(word => word).Sum(pair => Math.Min(pair.Value, counts.GetValueOrDefault(pair.Key))), words.Length, sought.Length).F1;
        });
    }

    private static double Best(IReadOnlyCollection<string> expected, Func<string, double> score)
    {
        ArgumentNullException.ThrowIfNull(expected);
        return expected.DefaultIfEmpty("").Max(score);
    }

    private static string[] Words(string answer) => Normalize(answer).Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string Normalize(string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var plain = string.Concat(answer.ToLowerInvariant().Where(letter => !(char.IsAscii(letter) && (char.IsPunctuation(letter) || char.IsSymbol(letter)))));
        return string.Join(' ', Article().Replace(plain, " ").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    [GeneratedRegex(@"\b(a|an|the)\b")]
    private static partial Regex Article();
}
