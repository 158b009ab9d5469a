using System.Text;

namespace Peft.Tokenizers;

/// <summary>SentencePiece's normalizer: applies the rules, longest match first, then removes, escapes and prepends spaces (its src/normalizer.cc).</summary>
/// <param name="proto">The model file.</param>
/// <param name="prefixEverywhere">True to prepend a space to text that follows a special token too, as transformers does with <c>legacy</c>.</param>
internal sealed class SentencePieceNormalizer(SentencePieceProto proto, bool prefixEverywhere) : INormalizer
{
    private readonly Rune space = new(proto.EscapeSpaces ? SentencePieceProto.Space : ' ');
    private readonly CharTrie userDefined = UserDefined(proto);

    /// <summary>The user-defined tokens, which are never split or normalized.</summary>
    public static CharTrie UserDefined(SentencePieceProto proto)
    {
        var trie = new CharTrie();
        for (var id = 0; id < proto.Pieces.Count; id++)
        {
            if (proto.Pieces[id].Kind == PieceKind.UserDefined)
                trie.Add(proto.Pieces[id].Text, id);
        }
        return trie;
    }

    public void Normalize(NormalizedText text)
    {
        var old = new Cursor(text.Text);
        var edits = new List<CharEdit>(text.Text.Length + 1);
        var removedFirst = proto.RemoveExtraSpaces ? SkipSpaces(ref old) : 0;
        var prefix = !old.AtEnd && proto.AddDummyPrefix && (prefixEverywhere || text.OriginalStart == 0);
        if (prefix && !proto.SpaceAsSuffix)
            edits.Add(new(space, 1));
        var afterSpace = proto.RemoveExtraSpaces;
        while (!old.AtEnd)
        {
            var (normal, characters) = Next(ref old);
            var kept = afterSpace ? normal.AsSpan().TrimStart(' ') : normal;
            if (kept.Length > 0)
                afterSpace = kept[^1] == ' ';
            text.Budget.Charge(kept.Length);
            Replace(edits, characters, kept, ref removedFirst);
            afterSpace &= proto.RemoveExtraSpaces;
        }
        while (proto.RemoveExtraSpaces && edits.Count > 0 && edits[^1].Char == space)
            edits.RemoveAt(edits.Count - 1);
        if (prefix && proto.SpaceAsSuffix)
            edits.Add(new(space, 1));
        text.Transform(edits, removedFirst);
    }

    private int SkipSpaces(ref Cursor at)
    {
        var skipped = 0;
        for (var ahead = at; !ahead.AtEnd; at = ahead)
        {
            var (normal, characters) = Next(ref ahead);
            if (normal != " ")
                break;
            skipped += characters;
        }
        return skipped;
    }

    // The normalized form of the text at the cursor, and the number of original characters.
    private (string Normal, int Characters) Next(ref Cursor at)
    {
        var end = 0;
        foreach (var match in userDefined.PrefixesAt(at.Text, at.Char))
            end = match.End;
        if (end > 0)
            return (at.Text[at.Char..end], at.To(end));
        if (proto.Charsmap?.Find(at.Bytes, longest: true, out var length) is { } replacement)
            return (replacement, at.Skip(length));
        var single = Rune.GetRuneAt(at.Text, at.Char);
        return (single.ToString(), at.To(at.Char + single.Utf16SequenceLength));
    }

    private void Replace(List<CharEdit> edits, int removed, ReadOnlySpan<char> replacement, ref int removedFirst)
    {
        foreach (var rune in replacement.EnumerateRunes())
        {
            edits.Add(new(rune.Value == ' ' ? space : rune, removed > 0 ? 0 : 1));
            removed--;
        }
        // Characters removed without a replacement are assigned to the preceding character.
        if (removed > 0 && edits.Count > 0)
            edits[^1] = edits[^1] with { Change = edits[^1].Change - removed };
        else
            removedFirst += Math.Max(removed, 0);
    }

    /// <summary>A position in a text and in its UTF-8 encoding.</summary>
    private struct Cursor(string text)
    {
        private readonly byte[] utf8 = System.Text.Encoding.UTF8.GetBytes(text);
        private int position;

        public readonly string Text => text;

        public int Char { get; private set; }

        public readonly bool AtEnd => Char == text.Length;

        public readonly ReadOnlySpan<byte> Bytes => utf8.AsSpan(position);

        /// <summary>Advances by a number of bytes. Returns the number of characters skipped.</summary>
        public int Skip(int bytes) => To(Char + System.Text.Encoding.UTF8.GetCharCount(utf8, position, bytes));

        /// <summary>Advances to a UTF-16 index. Returns the number of characters skipped.</summary>
        public int To(int unit)
        {
            var passed = text.AsSpan(Char, unit - Char);
            position += System.Text.Encoding.UTF8.GetByteCount(passed);
            Char = unit;
            var characters = 0;
            foreach (var _ in passed.EnumerateRunes())
                characters++;
            return characters;
        }
    }
}
