namespace Peft.Models;

/// <summary>Encodes the texts of a task up to a maximum length. Longer texts are truncated and counted, or rejected.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="maxLength">Maximum number of tokens of a text or pair, special tokens included; null for the tokenizer's limit.</param>
/// <param name="truncates">True to truncate longer texts.</param>
internal sealed class TextEncoder(Tokenizer tokenizer, int? maxLength, bool truncates)
{
    /// <summary>Maximum number of tokens; null for no limit.</summary>
    public int? MaxLength { get; } = maxLength ?? tokenizer.MaxLength;

    /// <summary>Number of texts that were truncated.</summary>
    public int Truncated { get; private set; }

    /// <summary>The id that pads shorter rows.</summary>
    public static long PaddingOf(Tokenizer tokenizer) => tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0;

    /// <summary>Encodes a text or a pair.</summary>
    /// <param name="text">The text.</param>
    /// <param name="pair">The second text; null for none.</param>
    /// <param name="error">Creates the exception for an invalid text.</param>
    public TokenEncoding Encode(string text, string? pair, Func<string, Exception> error)
    {
        ArgumentNullException.ThrowIfNull(text);
        var whole = Encode(text, pair, (int?)null);
        if (whole.SequenceIds.All(sequence => sequence is null)) throw error("the text is empty: it has no tokens.");
        if (whole.Length <= MaxLength || MaxLength is not { } max) return whole;
        if (!truncates) throw error($"the text has {whole.Length} tokens, but {max} are allowed: shorten it, raise MaxLength if the model has more positions, or set Truncate.");
        Truncated++;
        return Encode(text, pair, max);
    }

    /// <summary>Encodes a text or a pair without truncation.</summary>
    public TokenEncoding Whole(string text, string? pair = null) => Encode(text, pair, (int?)null);

    private TokenEncoding Encode(string text, string? pair, int? length)
    {
        var options = new EncodeOptions { MaxLength = length };
        return pair is null ? tokenizer.Encode(text, options) : tokenizer.Encode(text, pair, options);
    }
}
