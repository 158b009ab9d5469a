namespace Peft.Models;

/// <summary>Encodes the texts of a task up to a length: longer ones are cut and counted, or refused.</summary>
/// <param name="tokenizer">Makes the ids.</param>
/// <param name="maxLength">Most tokens of a text or pair, special ones included; null for what the tokenizer names, or else no limit.</param>
/// <param name="truncates">Whether longer ones are cut.</param>
internal sealed class TextEncoder(Tokenizer tokenizer, int? maxLength, bool truncates)
{
    /// <summary>Most tokens; null for no limit.</summary>
    public int? MaxLength { get; } = maxLength ?? tokenizer.MaxLength;

    /// <summary>Texts that were cut.</summary>
    public int Truncated { get; private set; }

    /// <summary>Id that fills up shorter rows.</summary>
    public static long PaddingOf(Tokenizer tokenizer) => tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0;

    /// <summary>Encodes a text or a pair.</summary>
    /// <param name="text">The text.</param>
    /// <param name="pair">The second text, or null.</param>
    /// <param name="error">Makes the exception for a text that is of no use.</param>
    public TokenEncoding Encode(string text, string? pair, Func<string, Exception> error)
    {
        ArgumentNullException.ThrowIfNull(text);
        var whole = Encode(text, pair, (int?)null);
        if (whole.SequenceIds.All(sequence => sequence is null)) throw error("the text is empty: there are no tokens in it.");
        if (whole.Length <= MaxLength || MaxLength is not { } most) return whole;
        if (!truncates) throw error($"the text has {whole.Length} tokens, but {most} are allowed: shorten it, raise MaxLength if the model has more positions, or set Truncate.");
        Truncated++;
        return Encode(text, pair, most);
    }

    /// <summary>Encodes a text or a pair whole.</summary>
    public TokenEncoding Whole(string text, string? pair = null) => Encode(text, pair, (int?)null);

    private TokenEncoding Encode(string text, string? pair, int? length)
    {
        var options = new EncodeOptions { MaxLength = length };
        return pair is null ? tokenizer.Encode(text, options) : tokenizer.Encode(text, pair, options);
    }
}
