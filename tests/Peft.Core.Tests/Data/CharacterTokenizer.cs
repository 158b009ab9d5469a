namespace Peft.Core.Tests.Data;

/// <summary>One token per character; 1 begins and 2 ends a sequence.</summary>
internal sealed class CharacterTokenizer : ITokenizer
{
    public int? BeginOfSequenceId => 1;

    public int? EndOfSequenceId => 2;

    public int? PadId { get; init; } = 0;

    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true) => [.. addSpecialTokens ? [1] : Array.Empty<int>(), .. text.Select(character => (int)character)];

    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => string.Concat(ids.Where(id => id > 2).Select(id => (char)id));
}
