using System.Buffers;
using System.Text;

namespace Peft.Tokenizers;

/// <summary>Finds added tokens in text: the leftmost match, and the longest one at that position.</summary>
internal sealed class AddedTokenFinder
{
    private readonly (string Content, int Id, AddedToken Token)[] tokens;
    private readonly PrefixSet contents;
    private readonly SearchValues<char> firsts;

    public AddedTokenFinder(IEnumerable<(string Content, int Id, AddedToken Token)> tokens)
    {
        // If tokens are equal after normalization, the first one is used.
        this.tokens = [.. tokens.Where(token => token.Content.Length > 0).DistinctBy(token => token.Content)];
        contents = new([.. this.tokens.Select((token, index) => (token.Content, index))]);
        firsts = SearchValues.Create([.. this.tokens.Select(token => token.Content[0]).Distinct()]);
    }

    /// <summary>Splits text into added tokens and the text between them.</summary>
    public IEnumerable<PreTokenizedText.Piece> Split(NormalizedText text)
    {
        var content = text.Text;
        var last = 0;
        var space = new TextRange(-1, -1);   // the last run of whitespace that was scanned; tokens may themselves be whitespace
        var result = new List<PreTokenizedText.Piece>();
        foreach (var (found, id, token) in Find(content))
        {
            var start = found.Start;
            var end = found.End;
            if (token.SingleWord && (EndsWithWord(content.AsSpan(0, start)) || StartsWithWord(content.AsSpan(end))))
                continue;
            if (token.StripLeft)
                start = last <= start ? last + content.AsSpan(last, start - last).TrimEnd().Length : last;
            if (token.StripRight && (end < space.Start || end > space.End))
                space = new(end, content.Length - content.AsSpan(end).TrimStart().Length);
            if (token.StripRight)
                end = space.End;
            if (last < start)
                result.Add(new(text.Slice(last, start), null));
            var piece = text.Slice(start, end);
            result.Add(new(piece, [new(id, piece.Text, 0, piece.Text.Length)]));
            last = end;
        }
        if (result.Count == 0)
            return [new(text.Slice(0, content.Length), null)];
        if (last < content.Length)
            result.Add(new(text.Slice(last, content.Length), null));
        return result;
    }

    private IEnumerable<(TextRange Range, int Id, AddedToken Token)> Find(string text)
    {
        for (var position = 0; position < text.Length;)
        {
            var offset = text.AsSpan(position).IndexOfAny(firsts);
            if (offset < 0)
                yield break;
            position += offset;
            if (!contents.TryFindLongest(text.AsSpan(position), out var length, out var found))
            {
                position++;
                continue;
            }
            yield return (new(position, position + length), tokens[found].Id, tokens[found].Token);
            position += length;
        }
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text)
        => Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && UnicodeClasses.IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text)
        => Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && UnicodeClasses.IsWord(rune);
}
