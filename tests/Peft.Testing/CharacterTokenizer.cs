namespace Peft.Testing;

/// <summary>One token per character; 0 pads, 1 begins and 2 ends a sequence.</summary>
/// <param name="vocabulary">How many tokens there are; null for as many as there are characters, each its own number.</param>
public sealed class CharacterTokenizer(int? vocabulary = null) : ITokenizer
{
    private const int Special = 3;

    public int? BeginOfSequenceId => 1;

    public int? EndOfSequenceId => 2;

    public int? PadId => 0;

    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true) => [.. addSpecialTokens ? [1] : Array.Empty<int>(), .. text.Select(Id)];

    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => string.Concat(ids.Where(id => id >= Special).Select(id => (char)id));

    private int Id(char character) => vocabulary is { } count ? Special + character % (count - Special) : character;
}
