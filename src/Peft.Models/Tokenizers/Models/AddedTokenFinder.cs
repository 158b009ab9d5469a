using System.Buffers;
using System.Text;

namespace Peft.Models;

/// <summary>Finds added tokens in a text: the leftmost, and of those the longest.</summary>
internal sealed class AddedTokenFinder
{
    readonly Dictionary<char, (string Content, int Id, AddedToken Token)[]> byFirst;
    readonly SearchValues<char> firsts;

    public AddedTokenFinder(IEnumerable<(string Content, int Id, AddedToken Token)> tokens)
    {
        byFirst = tokens.Where(token => token.Content.Length > 0).GroupBy(token => token.Content[0])
            .ToDictionary(group => group.Key, group => group.OrderByDescending(token => token.Content.Length).ToArray());
        firsts = SearchValues.Create([.. byFirst.Keys]);
    }

    /// <summary>Cuts a text into added tokens and what is between them.</summary>
    public IEnumerable<PreTokenizedText.Piece> Split(NormalizedText text)
    {
        var content = text.Text;
        var last = 0;
        var result = new List<PreTokenizedText.Piece>();
        foreach (var (found, id, token) in Find(content))
        {
            var start = found.Start;
            var end = found.End;
            if (token.SingleWord && (EndsWithWord(content.AsSpan(0, start)) || StartsWithWord(content.AsSpan(end))))
                continue;
            if (token.StripLeft)
                start = Math.Max(content.AsSpan(0, start).TrimEnd().Length, last);
            if (token.StripRight)
                end = content.Length - content.AsSpan(end).TrimStart().Length;
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

    IEnumerable<(TextRange Range, int Id, AddedToken Token)> Find(string text)
    {
        for (var position = 0; position < text.Length;)
        {
            var offset = text.AsSpan(position).IndexOfAny(firsts);
            if (offset < 0)
                yield break;
            position += offset;
            var next = position + 1;
            foreach (var (content, id, token) in byFirst[text[position]])
            {
                if (string.CompareOrdinal(text, position, content, 0, content.Length) == 0)
                {
                    next = position + content.Length;
                    yield return (new(position, next), id, token);
                    break;
                }
            }
            position = next;
        }
    }

    static bool EndsWithWord(ReadOnlySpan<char> text)
        => Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && UnicodeClasses.IsWord(rune);

    static bool StartsWithWord(ReadOnlySpan<char> text)
        => Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && UnicodeClasses.IsWord(rune);
}
