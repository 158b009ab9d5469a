namespace Peft.Tokenizers;

/// <summary>
/// Finds the longest word that is a prefix of a string, in logarithmic time. The words are sorted, and each is linked to the longest other word that is its
/// prefix. The longest match is the word that precedes the string in sort order, or one of the prefixes of that word.
/// </summary>
internal sealed class PrefixSet
{
    private readonly (string Word, int Value)[] words;
    private readonly int[] shorter;

    /// <param name="words">Distinct non-empty words, each with a value.</param>
    public PrefixSet((string Word, int Value)[] words)
    {
        this.words = words;
        Array.Sort(words, (a, b) => string.CompareOrdinal(a.Word, b.Word));
        shorter = new int[words.Length];
        for (var i = 0; i < words.Length; i++)
        {
            var before = i - 1;
            while (before >= 0 && !words[i].Word.StartsWith(words[before].Word, StringComparison.Ordinal)) before = shorter[before];
            shorter[i] = before;
        }
    }

    public bool TryFindLongest(ReadOnlySpan<char> text, out int length, out int value)
    {
        var (low, high) = (0, words.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (words[middle].Word.AsSpan().SequenceCompareTo(text) <= 0) low = middle + 1;
            else high = middle;
        }
        var at = low - 1;
        var common = at < 0 ? 0 : text.CommonPrefixLength(words[at].Word);
        while (at >= 0 && words[at].Word.Length > common) at = shorter[at];
        (length, value) = at < 0 ? (0, 0) : (words[at].Word.Length, words[at].Value);
        return at >= 0;
    }
}
