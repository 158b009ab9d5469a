using System.Buffers.Binary;

namespace Peft.Tokenizers;

/// <summary>
/// SentencePiece's custom normalization rules (<c>precompiled_charsmap</c>): the size in bytes of a double-array trie (32 bits, little-endian), the
/// trie over UTF-8 (github.com/s-yata/darts-clone), and the replacements that it points to, each terminated by a zero byte.
/// </summary>
internal sealed class Charsmap
{
    private readonly uint[] trie;
    private readonly byte[] replacements;

    public Charsmap(ReadOnlySpan<byte> content, ResourceLimits limits)
    {
        var size = content.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(content) : uint.MaxValue;
        if (size > content.Length - 4 || size % 4 != 0)
            throw new TokenizerException("The normalizer's precompiled_charsmap is damaged: it is shorter than its size field states.");
        trie = new uint[size / 4];
        for (var i = 0; i < trie.Length; i++)
            trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(content[(4 + 4 * i)..]);
        replacements = content[(4 + (int)size)..].ToArray();
        for (var rest = replacements.AsSpan(); !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)0) is >= 0 and var found ? found : rest.Length;
            if (end > limits.MaxTokenLength)
                throw TokenizerReading.TooMuch(limits, "The normalizer's precompiled_charsmap", nameof(ResourceLimits.MaxTokenLength));
            rest = rest[Math.Min(end + 1, rest.Length)..];
        }
    }

    /// <summary>The replacement of a rule that matches at the beginning of a UTF-8 text; null if there is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="longest">True for the longest match, false for the shortest.</param>
    /// <param name="length">Number of bytes that the match replaces.</param>
    public string? Find(ReadOnlySpan<byte> text, bool longest, out int length)
    {
        length = 0;
        uint? found = null;
        var node = Offset(Unit(0));
        for (var i = 0; i < text.Length && text[i] != 0; i++)
        {
            node ^= text[i];
            var unit = Unit(node);
            if ((unit & (1u << 31 | 0xFF)) != text[i])
                break;
            node ^= Offset(unit);
            if ((unit >> 8 & 1) != 1)
                continue;
            (found, length) = (Unit(node) & 0x7FFFFFFF, i + 1);
            if (!longest)
                break;
        }
        return found is { } start ? Replacement(start) : null;
    }

    private string Replacement(uint start)
    {
        if (start >= replacements.Length)
            throw Damaged();
        var rest = replacements.AsSpan((int)start);
        var end = rest.IndexOf((byte)0);
        return System.Text.Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }

    private uint Unit(uint node) => node < trie.Length ? trie[node] : throw Damaged();

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1u << 9)) >> 6);

    private static TokenizerException Damaged() => new("The normalizer's precompiled_charsmap is damaged: its trie points outside it.");
}
