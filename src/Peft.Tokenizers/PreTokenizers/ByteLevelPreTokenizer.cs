namespace Peft.Tokenizers;

/// <summary>GPT-2's pre-tokenizer: splits into words, each with the space that precedes it, and converts them to <see cref="ByteAlphabet"/>.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex, ResourceLimits limits) : IPreTokenizer
{
    // Language models were trained with exactly this split (Radford et al. 2019, github.com/openai/gpt-2).
    private readonly RegexPattern? words = useRegex
        ? new(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", limits)
        : null;

    public void PreTokenize(PreTokenizedText text)
    {
        text.Split(piece =>
        {
            if (addPrefixSpace && !piece.Text.StartsWith(' '))
                piece.Prepend(" ");
            return words is null ? [new(piece, null)] : Splitter.Split(piece, words, SplitBehavior.Isolated);
        });
        text.Normalize(ByteAlphabet.Spell);
    }
}
