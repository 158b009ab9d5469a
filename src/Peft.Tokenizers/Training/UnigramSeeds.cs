using System.Runtime.InteropServices;
using System.Text;

namespace Peft.Tokenizers;

/// <summary>
/// The candidate pieces of a unigram model: all characters, and the substrings of words that occur more than once and are followed by different characters, found in
/// a suffix array of the words.
/// </summary>
internal sealed class UnigramSeeds
{
    // Terminates each word, as in SentencePiece. Candidates therefore never contain this character.
    private const int End = 0;

    private readonly int maxLength;
    private readonly int[] text;
    private readonly int[] suffixes;

    private UnigramSeeds(IReadOnlyList<int[]> words, int maxLength)
    {
        this.maxLength = maxLength;
        text = [.. words.SelectMany(word => word.Append(End))];
        suffixes = [.. Enumerable.Range(0, text.Length).Where(position => text[position] != End)];
        // Suffixes that are equal up to the end of their words, or for more characters than a piece can have, may have any order.
        Array.Sort(suffixes, Compare);
    }

    /// <summary>The candidates, characters first, each with a score proportional to its probability.</summary>
    /// <param name="words">The words as code points.</param>
    /// <param name="counts">Frequency of each word.</param>
    /// <param name="maxLength">Maximum number of characters of a piece.</param>
    /// <param name="size">Maximum number of candidates.</param>
    public static List<(int[] Piece, double Score)> Find(IReadOnlyList<int[]> words, IReadOnlyList<long> counts, int maxLength, int size)
    {
        var characters = new Dictionary<int, long>();
        for (var i = 0; i < words.Count; i++)
        {
            foreach (var character in words[i].Where(each => each != End)) CollectionsMarshal.GetValueRefOrAddDefault(characters, character, out _) += counts[i];
        }
        var result = characters.OrderByDescending(each => each.Value).ThenByDescending(each => each.Key).Select(each => (new[] { each.Key }, (double)each.Value)).ToList();
        var seeds = new UnigramSeeds(words, maxLength);
        var repeated = seeds.Repeated().OrderByDescending(each => each.Frequency * each.Length).ThenByDescending(each => each.First).ThenByDescending(each => each.Length);
        result.AddRange(repeated.Take(Math.Max(1, size - result.Count)).Select(each => (seeds.Text(each.First, each.Length), (double)(each.Frequency * each.Length))));
        return result;
    }

    // The intervals of suffixes whose common prefix is longer than that of any larger interval: the inner nodes of the suffix tree.
    // First and Length determine their order, because an interval does not begin after those inside it.
    private IEnumerable<(int First, int Length, long Frequency)> Repeated()
    {
        var open = new Stack<(int Length, int First)>([(0, 0)]);
        for (var i = 1; i <= suffixes.Length; i++)
        {
            var common = i < suffixes.Length ? Common(suffixes[i - 1], suffixes[i]) : 0;
            var first = i - 1;
            while (open.Peek().Length > common)
            {
                (var length, first) = open.Pop();
                if (length >= 2 && length <= maxLength && text[suffixes[first] + length - 1] != End) yield return (first, length, i - first);
            }
            if (open.Peek().Length < common) open.Push((common, first));
        }
    }

    private int[] Text(int suffix, int length) => text[suffixes[suffix]..(suffixes[suffix] + length)];

    private int Compare(int first, int second)
    {
        var common = Common(first, second);
        var same = common > maxLength || (common > 0 && text[first + common - 1] == End);
        return same ? 0 : text[first + common].CompareTo(text[second + common]);
    }

    // Length of the common prefix of two suffixes, including the end of the word, up to one character more than a piece can have.
    private int Common(int first, int second)
    {
        for (var i = 0; i <= maxLength; i++)
        {
            if (text[first + i] != text[second + i]) return i;
            // What follows the end of the words does not count: the suffixes are equal, and their common prefix includes the terminator.
            if (text[first + i] == End) return i + 1;
        }
        return maxLength + 1;
    }
}
