using System.Text;

namespace Peft.Tokenizers;

/// <summary>Removes up to the given number of occurrences of a character from the start and the end of each string.</summary>
internal sealed class StripDecoder(Rune character, int start, int stop) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => tokens.ConvertAll(token =>
    {
        var runes = token.EnumerateRunes().ToArray();
        var first = 0;
        while (first < start && first < runes.Length && runes[first] == character)
            first++;
        var last = runes.Length;
        while (runes.Length - last < stop && last > first && runes[last - 1] == character)
            last--;
        return string.Concat(runes[first..last]);
    });
}
