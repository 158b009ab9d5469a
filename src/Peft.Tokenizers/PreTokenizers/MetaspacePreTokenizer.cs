namespace Peft.Tokenizers;

/// <summary>SentencePiece's pre-tokenizer: replaces spaces by the metaspace character, and splits before it.</summary>
internal sealed class MetaspacePreTokenizer(string replacement, PrependScheme scheme, bool split) : IPreTokenizer
{
    private readonly TextPattern space = TextPattern.Literal(" ");
    private readonly TextPattern mark = TextPattern.Literal(replacement);

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
