using System.Diagnostics.CodeAnalysis;

namespace Peft.Tokenizers;

/// <summary>Tokens and their ids. The ids may have gaps.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> spans;
    private readonly Dictionary<int, string> tokens;
    private readonly int[] units = new int[char.MaxValue + 1];

    public Vocabulary(Dictionary<string, int> ids)
    {
        this.ids = ids;
        spans = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        tokens = new(ids.Count);
        Array.Fill(units, -1);
        foreach (var (token, id) in ids)
        {
            tokens[id] = token;
            if (token.Length == 1)
                units[token[0]] = id;
        }
    }

    public int Count => ids.Count;

    public IEnumerable<KeyValuePair<string, int>> Entries => ids;

    public int? IdOf(string token) => ids.TryGetValue(token, out var id) ? id : null;

    public bool TryGetId(ReadOnlySpan<char> token, out int id)
    {
        // Every character of every text is looked up, so an array is used for them.
        if (token.Length != 1)
            return spans.TryGetValue(token, out id);
        id = units[token[0]];
        return id >= 0;
    }

    public bool TryGetToken(int id, [NotNullWhen(true)] out string? token) => tokens.TryGetValue(id, out token);

    /// <summary>Ids of the 256 byte tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>; null for missing ones.</summary>
    public int?[] ByteIds() => [.. Enumerable.Range(0, 256).Select(value => IdOf($"<0x{value:X2}>"))];
}
