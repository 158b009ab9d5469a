using System.Text;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>
/// The prompt that two completions have in common, as TRL extracts it: the longest common beginning, in characters of texts or messages of conversations. A space
/// just before the first difference goes to the completions. Without a difference, the last common item stays in the completions.
/// </summary>
internal static class PromptExtraction
{
    /// <summary>Divides two passages of the same kind, neither of which is empty.</summary>
    public static (Passage Prompt, Passage Chosen, Passage Rejected) Of(Passage chosen, Passage rejected)
    {
        if (chosen.IsChat)
        {
            var (before, first, second) = Divide<JsonObject>(chosen.Messages, rejected.Messages, JsonNode.DeepEquals, _ => false);
            return (new(before), new(first), new(second));
        }
        var (prompt, one, other) = Divide(Characters(chosen), Characters(rejected), (a, b) => a == b, character => character.Value == ' ');
        return (Joined(prompt), Joined(one), Joined(other));
    }

    /// <summary>True if both begin alike, so that there is a prompt to extract.</summary>
    public static bool HaveCommonBeginning(Passage chosen, Passage rejected)
        => !chosen.IsEmpty && !rejected.IsEmpty
            && (chosen.IsChat ? JsonNode.DeepEquals(chosen.Messages[0], rejected.Messages[0]) : chosen.Text!.EnumerateRunes().First() == rejected.Text!.EnumerateRunes().First());

    private static (T[] Prompt, T[] Chosen, T[] Rejected) Divide<T>(IReadOnlyList<T> chosen, IReadOnlyList<T> rejected, Func<T, T, bool> equal, Func<T, bool> isSpace)
    {
        var at = 0;
        for (var i = 0; i < Math.Min(chosen.Count, rejected.Count); i++)
        {
            at = i;
            if (equal(chosen[i], rejected[i])) continue;
            // As in Python, the item before the first is the last, and an index below 0 counts from the end.
            if (isSpace(i == 0 ? chosen[^1] : chosen[i - 1])) at--;
            break;
        }
        var (first, second) = at < 0 ? (chosen.Count + at, rejected.Count + at) : (at, at);
        return ([.. chosen.Take(first)], [.. chosen.Skip(first)], [.. rejected.Skip(second)]);
    }

    private static Rune[] Characters(Passage text) => [.. text.Text!.EnumerateRunes()];

    private static Passage Joined(Rune[] characters) => new(string.Concat(characters.Select(each => each.ToString())));
}
