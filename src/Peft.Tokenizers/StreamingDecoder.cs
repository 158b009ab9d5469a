using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// Decodes a stream of tokens, as in generation. The concatenated results of <see cref="Push"/> and the final <see cref="Flush"/> equal the result of
/// <see cref="Tokenizer.Decode"/> for all ids. Each call returns only text that later tokens cannot change, and never part of a character.
/// </summary>
/// <remarks>Not thread-safe.</remarks>
public sealed class StreamingDecoder
{
    // So many tokens that special handling at the beginning of a text cannot affect the end of the window.
    private const int Window = 8;

    // Longer than any pattern that the cleanup replaces.
    private const int CleanUpReach = 8;

    private readonly Tokenizer tokenizer;
    private readonly bool skipSpecialTokens;
    private readonly List<int> ids = [];
    private readonly List<int> pending = [];
    private int emitted;

    internal StreamingDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /// <summary>Adds the next token.</summary>
    /// <param name="id">The token id.</param>
    /// <returns>The text that is now final, often empty.</returns>
    public string Push(int id)
    {
        if (tokenizer.IsSkipped(id, skipSpecialTokens))
            return "";
        // Byte tokens can be decoded only at the end of their run.
        if (ByteFallbackDecoder.TryGetByte(tokenizer.IdToToken(id)!, out _))
        {
            pending.Add(id);
            return "";
        }
        ids.AddRange(pending);
        pending.Clear();
        ids.Add(id);
        var text = tokenizer.Decode(ids, skipSpecialTokens);
        var final = FinalLength(text);
        if (final <= emitted)
            return "";
        var result = text[emitted..final];
        emitted = final;
        Shorten(text);
        return result;
    }

    /// <summary>Returns the text that was held back, and resets the decoder.</summary>
    public string Flush()
    {
        ids.AddRange(pending);
        var text = tokenizer.Decode(ids, skipSpecialTokens);
        var result = text.Length > emitted ? text[emitted..] : "";
        ids.Clear();
        pending.Clear();
        emitted = 0;
        return result;
    }

    // A replacement character at the end may stand for an incomplete character.
    private int FinalLength(string text)
    {
        var length = text.AsSpan().TrimEnd('\uFFFD').Length;
        if (!tokenizer.CleansUp)
            return length;
        length = Math.Max(0, length - CleanUpReach);
        while (length > 0 && char.IsWhiteSpace(text[length - 1]))
            length--;
        return length > 0 && char.IsHighSurrogate(text[length - 1]) ? length - 1 : length;
    }

    // Decoding all tokens in each call would take quadratic time. The last ones are enough if they decode to the same end.
    private void Shorten(string text)
    {
        if (ids.Count <= 4 * Window)
            return;
        var tail = ids[^Window..];
        var tailText = tokenizer.Decode(tail, skipSpecialTokens);
        var tailEmitted = tailText.Length - (text.Length - emitted);
        if (tailEmitted <= 0 || tailText.Contains('\uFFFD') || string.IsNullOrWhiteSpace(tailText) || !text.EndsWith(tailText, StringComparison.Ordinal))
            return;
        ids.Clear();
        ids.AddRange(tail);
        emitted = tailEmitted;
    }
}
