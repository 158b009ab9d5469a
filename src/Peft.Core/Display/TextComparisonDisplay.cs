using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Peft;

/// <summary>Displays two texts in a notebook and highlights the words that only one of them contains.</summary>
internal sealed partial class TextComparisonDisplay : HtmlDisplay<TextComparison>
{
    private const int MaxWords = 2000;   // longer texts are not compared: the time grows quadratically

    protected override IEnumerable<object?> Render(TextComparison texts)
    {
        var (before, after) = (Words(texts.Before), Words(texts.After));
        var (keptBefore, keptAfter) = before.Length <= MaxWords && after.Length <= MaxWords ? Common(before, after) : (All(before), All(after));
        yield return Markup.Table([texts.BeforeTitle, texts.AfterTitle], [[Marked(before, keptBefore, "del"), Marked(after, keptAfter, "ins")]]);
    }

    private static string[] Words(string text) => [.. Word().Matches(text ?? "").Select(match => match.Value)];

    private static bool[] All(string[] words) => [.. words.Select(_ => true)];

    private static XElement Marked(string[] words, bool[] kept, string tag)
        => Markup.Tag("div", words.Select((word, i) => kept[i] ? (object)new XText(Markup.Tag("i", word).Value) : Markup.Tag(tag, word)));

    // Marks their longest common subsequence.
    private static (bool[] Before, bool[] After) Common(string[] before, string[] after)
    {
        var length = new int[before.Length + 1, after.Length + 1];
        for (var i = before.Length - 1; i >= 0; i--)
            for (var j = after.Length - 1; j >= 0; j--)
                length[i, j] = before[i] == after[j] ? length[i + 1, j + 1] + 1 : Math.Max(length[i + 1, j], length[i, j + 1]);
        var (keptBefore, keptAfter) = (new bool[before.Length], new bool[after.Length]);
        for (int i = 0, j = 0; i < before.Length && j < after.Length;)
        {
            if (before[i] == after[j]) keptBefore[i++] = keptAfter[j++] = true;
            else if (length[i + 1, j] >= length[i, j + 1]) i++;
            else j++;
        }
        return (keptBefore, keptAfter);
    }

    // A word with the space after it, so that adjacent highlighted words are joined.
    [GeneratedRegex(@"\S+\s*|^\s+")]
    private static partial Regex Word();
}
