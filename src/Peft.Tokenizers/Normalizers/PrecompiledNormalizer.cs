using System.Globalization;

namespace Peft.Tokenizers;

/// <summary>Applies SentencePiece's normalization rules as Hugging Face's <c>tokenizers</c> does, by grapheme cluster.</summary>
internal sealed class PrecompiledNormalizer(byte[] charsmap, ResourceLimits limits) : INormalizer
{
    // Longer clusters are looked up by character, as in the reference implementation.
    private const int MaxClusterBytes = 5;

    private readonly Charsmap rules = new(charsmap, limits);

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
            if (System.Text.Encoding.UTF8.GetByteCount(cluster) <= MaxClusterBytes && Find(cluster) is { } whole)
            {
                text.Budget.Charge(whole.Length);
                Replace(edits, cluster, whole);
                modified = true;
                continue;
            }
            foreach (var rune in cluster.EnumerateRunes())
            {
                if (Find(rune.ToString()) is { } replacement)
                {
                    text.Budget.Charge(replacement.Length);
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

    private static void Replace(List<CharEdit> edits, ReadOnlySpan<char> old, string replacement)
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
        // Characters removed without a replacement are assigned to the preceding character.
        if (difference < 0 && edits.Count > 0)
            edits[^1] = edits[^1] with { Change = edits[^1].Change + difference };
    }

    // The shortest matching rule, as in the reference implementation.
    private string? Find(ReadOnlySpan<char> text)
    {
        Span<byte> bytes = stackalloc byte[System.Text.Encoding.UTF8.GetByteCount(text)];
        System.Text.Encoding.UTF8.GetBytes(text, bytes);
        return rules.Find(bytes, longest: false, out _);
    }
}
