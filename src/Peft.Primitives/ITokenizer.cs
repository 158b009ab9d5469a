namespace Peft;

/// <summary>The tokenizer interface of datasets and generation.</summary>
public interface ITokenizer
{
    /// <summary>Encodes text as token ids.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecialTokens">True to add the special tokens of the tokenizer's template, such as a leading begin-of-sequence token.</param>
    IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true);

    /// <summary>Decodes token ids to text.</summary>
    string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true);

    /// <summary>Id of the begin-of-sequence token, if there is one.</summary>
    int? BeginOfSequenceId { get; }

    /// <summary>Id of the end-of-sequence token, if there is one.</summary>
    int? EndOfSequenceId { get; }

    /// <summary>Id of the padding token, if there is one.</summary>
    int? PadId { get; }

    /// <summary>A text that changes whenever encodings do, such as a hash of the tokenizer's files: the tokens in a cache are those of the same fingerprint. Null (the default) if there is none; then nothing is cached.</summary>
    string? Fingerprint() => null;
}
