using Peft.Tokenizers;

namespace Peft;

/// <summary>The encoding of a text or a pair of texts. All lists have one entry per token, padding included.</summary>
public sealed class TokenEncoding
{
    internal TokenEncoding(IReadOnlyList<TokenEntry> tokens, int padding, Side paddingSide, TokenEntry pad)
    {
        var length = tokens.Count + padding;
        var ids = new int[length];
        var typeIds = new int[length];
        var mask = new int[length];
        var texts = new string[length];
        var offsets = new (int, int)[length];
        var words = new int?[length];
        var sequences = new int?[length];
        var special = new bool[length];
        var first = paddingSide == Side.Left ? padding : 0;
        for (var i = 0; i < length; i++)
        {
            var real = i >= first && i < first + tokens.Count;
            var token = real ? tokens[i - first] : pad;
            ids[i] = token.Id;
            typeIds[i] = token.TypeId;
            mask[i] = real ? 1 : 0;
            texts[i] = token.Token;
            offsets[i] = (token.Start, token.End);
            words[i] = token.Word < 0 ? null : token.Word;
            sequences[i] = token.Sequence < 0 ? null : token.Sequence;
            special[i] = token.IsSpecial;
        }
        (Ids, TypeIds, AttentionMask, Tokens, Offsets, WordIds, SequenceIds, IsSpecial) = (ids, typeIds, mask, texts, offsets, words, sequences, special);
    }

    /// <summary>Token ids (<c>input_ids</c>).</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>Token type of each token, 0 or 1 in most models (<c>token_type_ids</c>).</summary>
    public IReadOnlyList<int> TypeIds { get; }

    /// <summary>1 for a real token, 0 for padding.</summary>
    public IReadOnlyList<int> AttentionMask { get; }

    /// <summary>The tokens as strings of the vocabulary.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>
    /// Start and end (exclusive) of each token in its text, in Unicode code points as in Hugging Face's Python library
    /// (an emoji counts as 1, but has 2 code units in a .NET string); (0, 0) for special tokens and padding.
    /// </summary>
    public IReadOnlyList<(int Start, int End)> Offsets { get; }

    /// <summary>Index of the token's pre-tokenized word within its text; null for special tokens and padding.</summary>
    public IReadOnlyList<int?> WordIds { get; }

    /// <summary>0 for the first text, 1 for the second, null for special tokens and padding.</summary>
    public IReadOnlyList<int?> SequenceIds { get; }

    /// <summary>True for special tokens that were added, and for padding.</summary>
    public IReadOnlyList<bool> IsSpecial { get; }

    /// <summary>Number of tokens, padding included.</summary>
    public int Length => Ids.Count;
}
