using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Peft.Models;

/// <summary>
/// SentencePiece's own normalization rules (<c>precompiled_charsmap</c>): the byte length of a double-array trie (32 bits, little-endian), the
/// trie over UTF-8 (github.com/s-yata/darts-clone), and the replacements that it points into, each ended by a zero byte.
/// </summary>
internal sealed class PrecompiledNormalizer : INormalizer
{
    // Longer clusters are looked up character by character, as the reference does.
    const int LongestCluster = 5;

    readonly uint[] trie;
    readonly byte[] replacements;

    public PrecompiledNormalizer(byte[] charsmap)
    {
        var size = charsmap.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(charsmap) : uint.MaxValue;
        if (size > charsmap.Length - 4 || size % 4 != 0)
            throw new TokenizerException("The normalizer's precompiled_charsmap is damaged: it is shorter than it says.");
        trie = new uint[size / 4];
        for (var i = 0; i < trie.Length; i++)
            trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(charsmap.AsSpan(4 + 4 * i));
        replacements = charsmap[(4 + (int)size)..];
    }

    public void Normalize(NormalizedText text)
    {
        var edits = new List<CharEdit>(text.Text.Length);
        var modified = false;
        var content = text.Text;
        for (var i = 0; i < content.Length;)
        {
            var length = StringInfo.GetNextTextElementLength(content, i);
            var cluster = content.AsSpan(i, length);
            i += length;
            if (System.Text.Encoding.UTF8.GetByteCount(cluster) <= LongestCluster && Find(cluster) is { } whole)
            {
                Replace(edits, cluster, whole);
                modified = true;
                continue;
            }
            foreach (var rune in cluster.EnumerateRunes())
            {
                if (Find(rune.ToString()) is { } replacement)
                {
                    Replace(edits, rune.ToString(), replacement);
                    modified = true;
                }
                else
                {
                    edits.Add(new(rune, 0));
                }
            }
        }
        if (modified)
            text.Transform(edits);
    }

    static void Replace(List<CharEdit> edits, ReadOnlySpan<char> old, string replacement)
    {
        var removed = 0;
        foreach (var _ in old.EnumerateRunes())
            removed++;
        var first = edits.Count;
        foreach (var rune in replacement.EnumerateRunes())
            edits.Add(new(rune, 0));
        var difference = edits.Count - first - removed;
        for (var i = edits.Count - difference; i < edits.Count; i++)
            edits[i] = edits[i] with { Change = 1 };
        // What is dropped without a replacement counts to the character before it.
        if (difference < 0 && edits.Count > 0)
            edits[^1] = edits[^1] with { Change = edits[^1].Change + difference };
    }

    // The shortest entry that the text begins with, as the reference takes it.
    string? Find(ReadOnlySpan<char> text)
    {
        Span<byte> bytes = stackalloc byte[System.Text.Encoding.UTF8.GetByteCount(text)];
        System.Text.Encoding.UTF8.GetBytes(text, bytes);
        var node = 0u;
        var unit = Unit(node);
        node ^= Offset(unit);
        foreach (var value in bytes)
        {
            if (value == 0)
                return null;
            node ^= value;
            unit = Unit(node);
            if ((unit & (1u << 31 | 0xFF)) != value)
                return null;
            node ^= Offset(unit);
            if ((unit >> 8 & 1) == 1)
                return Replacement(Unit(node) & 0x7FFFFFFF);
        }
        return null;
    }

    string Replacement(uint start)
    {
        if (start >= replacements.Length)
            throw Damaged();
        var rest = replacements.AsSpan((int)start);
        var end = rest.IndexOf((byte)0);
        return System.Text.Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }

    uint Unit(uint node) => node < trie.Length ? trie[node] : throw Damaged();

    static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1u << 9)) >> 6);

    static TokenizerException Damaged() => new("The normalizer's precompiled_charsmap is damaged: its trie points outside of it.");
}
