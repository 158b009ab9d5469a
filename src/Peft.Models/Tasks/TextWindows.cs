namespace Peft.Models;

/// <summary>Overlapping windows over a text that is longer than a model reads.</summary>
internal static class TextWindows
{
    /// <summary>Places of the tokens of each window: what stands before the text, a part of it, and what stands behind it.</summary>
    /// <param name="tokens">The tokens of the whole text or pair.</param>
    /// <param name="sequence">Which text is divided: 0, or 1 for the second of a pair. All others are whole in each window.</param>
    /// <param name="maxLength">Most tokens of a window; null for no limit.</param>
    /// <param name="stride">Tokens of the text that neighbouring windows share.</param>
    /// <param name="error">Makes the exception where there is no room.</param>
    public static List<int[]> Of(TokenEncoding tokens, int sequence, int? maxLength, int stride, Func<string, Exception> error)
    {
        if (maxLength is not { } most || tokens.Length <= most) return [[.. Enumerable.Range(0, tokens.Length)]];
        int[] own = [.. Enumerable.Range(0, tokens.Length).Where(i => tokens.SequenceIds[i] == sequence)];
        int[] before = [.. Enumerable.Range(0, own[0])], after = [.. Enumerable.Range(own[^1] + 1, tokens.Length - own[^1] - 1)];
        var room = most - before.Length - after.Length;
        if (room < 1) throw error($"{before.Length + after.Length} tokens stand beside the text, which leaves no room for it within {most}: shorten the question, or raise MaxLength if the model has more positions.");
        var step = room - Math.Min(stride, room - 1);
        var windows = new List<int[]>();
        for (var start = 0; ; start += step)
        {
            windows.Add([.. before, .. own.Skip(start).Take(room), .. after]);
            if (start + room >= own.Length) return windows;
        }
    }
}
