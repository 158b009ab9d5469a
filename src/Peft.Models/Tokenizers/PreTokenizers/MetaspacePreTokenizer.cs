namespace Peft.Models;

/// <summary>When a text gets a space in front that it does not have.</summary>
internal enum PrependScheme
{
    /// <summary>At the beginning of the whole text.</summary>
    First,
    /// <summary>Never.</summary>
    Never,
    /// <summary>In every piece, also after an added token.</summary>
    Always,
}

/// <summary>SentencePiece's: a visible character instead of the space, and a cut before it.</summary>
internal sealed class MetaspacePreTokenizer(string replacement, PrependScheme scheme, bool split) : IPreTokenizer
{
    readonly TextPattern space = TextPattern.Literal(" ");
    readonly TextPattern mark = TextPattern.Literal(replacement);

    public void PreTokenize(PreTokenizedText text) => text.Split(piece =>
    {
        piece.Replace(space, replacement);
        if ((scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.OriginalStart == 0))
            && !piece.Text.StartsWith(replacement, StringComparison.Ordinal))
        {
            piece.Prepend(replacement);
        }
        return split ? Splitter.Split(piece, mark, SplitBehavior.MergedWithNext) : [new(piece, null)];
    });
}
