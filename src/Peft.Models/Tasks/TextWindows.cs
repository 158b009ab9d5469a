namespace Peft.Models;

/// <summary>Overlapping windows over a text that is longer than the model's input.</summary>
internal static class TextWindows
{
    /// <summary>Token positions of each window: the tokens that precede the text, a span of the text, and the tokens that follow it.</summary>
    /// <param name="tokens">The tokens of the whole text or pair.</param>
    /// <param name="sequence">The text to split: 0, or 1 for the second of a pair. Each window contains all other tokens.</param>
    /// <param name="maxLength">Maximum number of tokens of a window; null for no limit.</param>
    /// <param name="stride">Number of tokens of the text that adjacent windows share.</param>
    /// <param name="error">Creates the exception if there is no room for the text.</param>
    public static List<int[]> Of(TokenEncoding tokens, int sequence, int? maxLength, int stride, Func<string, Exception> error)
    {
        if (maxLength is not { } max || tokens.Length <= max) return [[.. Enumerable.Range(0, tokens.Length)]];
        int[] own = [.. Enumerable.Range(0, tokens.Length).Where(i => tokens.SequenceIds[i] == sequence)];
        int[] before = [.. Enumerable.Range(0, own[0])], after = [.. Enumerable.Range(own[^1] + 1, tokens.Length - own[^1] - 1)];
        var room = max - before.Length - after.Length;
        if (room < 1) throw error($"{before.Length + after.Length} tokens surround the text, which leaves no room for it within {max}: shorten the question, or raise MaxLength if the model has more positions.");
        var step = room - Math.Min(stride, room - 1);
        var windows = new List<int[]>();
        for (var start = 0; ; start += step)
        {
            windows.Add([.. before, .. own.Skip(start).Take(room), .. after]);
            if (start + room >= own.Length) return windows;
        }
    }
}
