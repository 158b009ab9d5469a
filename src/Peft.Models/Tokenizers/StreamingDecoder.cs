namespace Peft.Models;

/// <summary>
/// Decodes a text that comes token by token, as in generation. What <see cref="Push"/> and at last <see cref="Flush"/> return is, joined, what
/// <see cref="Tokenizer.Decode"/> returns for all ids; each call returns only text that no later token can change, so never half a character.
/// </summary>
/// <remarks>Not safe for use from several threads at once.</remarks>
public sealed class StreamingDecoder
{
    // Enough tokens that what a decoder does at the beginning of a text cannot reach the end of the window.
    const int Window = 8;

    // Longer than anything that cleaning up rewrites.
    const int CleanUpReach = 8;

    readonly Tokenizer tokenizer;
    readonly bool skipSpecialTokens;
    readonly List<int> ids = [];
    readonly List<int> pending = [];
    int emitted;

    internal StreamingDecoder(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="id">Its id.</param>
    /// <returns>The text that became final, often empty.</returns>
    public string Push(int id)
    {
        if (tokenizer.IsSkipped(id, skipSpecialTokens))
            return "";
        // Byte tokens are text only once the run of them ends.
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

    /// <summary>The text that was still held back; then the decoder is as new.</summary>
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

    // A replacement character at the end may be a character of which bytes are still to come.
    int FinalLength(string text)
    {
        var length = text.AsSpan().TrimEnd('\uFFFD').Length;
        if (!tokenizer.CleansUp)
            return length;
        length = Math.Max(0, length - CleanUpReach);
        while (length > 0 && char.IsWhiteSpace(text[length - 1]))
            length--;
        return length > 0 && char.IsHighSurrogate(text[length - 1]) ? length - 1 : length;
    }

    // Decoding all tokens each time would take quadratic time: the last few are enough when they alone decode to the same end.
    void Shorten(string text)
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
