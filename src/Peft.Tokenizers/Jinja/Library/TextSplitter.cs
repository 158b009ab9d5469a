namespace Peft.Tokenizers.Jinja;

/// <summary>Splits strings as Python does.</summary>
internal static class TextSplitter
{
    /// <summary>Like <c>str.split</c>: at whitespace if there is no separator; at most <paramref name="max"/> times unless negative.</summary>
    public static IEnumerable<string> FromLeft(string text, string? separator, long max)
    {
        var at = 0;
        if (separator is null) at = SkipSpace(text, 0);
        else if (separator.Length == 0) throw new ArgumentException("Empty separator.", nameof(separator));
        for (; separator is not null || at < text.Length; max--)
        {
            var end = max == 0 ? -1 : separator is null ? NextSpace(text, at) : text.IndexOf(separator, at, StringComparison.Ordinal);
            if (end < 0)
            {
                yield return text[at..];
                yield break;
            }
            yield return text[at..end];
            at = separator is null ? SkipSpace(text, end) : end + separator.Length;
        }
    }

    /// <summary>Like <c>str.rsplit</c>.</summary>
    public static IEnumerable<string> FromRight(string text, string? separator, long max)
    {
        var parts = new List<string>();
        var end = separator is null ? EndOfWords(text, text.Length) : text.Length;
        for (; max != 0 && (separator is not null || end > 0); max--)
        {
            var at = separator is null ? LastSpace(text, end) : text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal);
            if (at < 0) break;
            parts.Add(text[(at + (separator?.Length ?? 1))..end]);
            end = separator is null ? EndOfWords(text, at) : at;
        }
        if (separator is not null) parts.Add(text[..end]);
        else if (SkipSpace(text, 0) < end) parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    public static IEnumerable<string> Lines(string text, bool keepEnds)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = start;
            while (end < text.Length && text[end] is not ('\n' or '\r' or '\v' or '\f' or '\u001c' or '\u001d' or '\u001e' or '\u0085' or '\u2028' or '\u2029')) end++;
            var next = end + (end >= text.Length ? 0 : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? 2 : 1);
            yield return keepEnds ? text[start..next] : text[start..end];
            start = next;
        }
    }

    private static int SkipSpace(string text, int at)
    {
        while (at < text.Length && PythonText.IsSpace(text[at])) at++;
        return at;
    }

    private static int NextSpace(string text, int at)
    {
        while (at < text.Length && !PythonText.IsSpace(text[at])) at++;
        return at < text.Length ? at : -1;
    }

    private static int LastSpace(string text, int end)
    {
        var at = end - 1;
        while (at >= 0 && !PythonText.IsSpace(text[at])) at--;
        return at;
    }

    private static int EndOfWords(string text, int end)
    {
        while (end > 0 && PythonText.IsSpace(text[end - 1])) end--;
        return end;
    }
}
