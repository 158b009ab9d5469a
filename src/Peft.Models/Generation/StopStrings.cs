namespace Peft.Models;

/// <summary>Finds the first of some stop strings in a text that grows token by token.</summary>
internal sealed class StopStrings(IReadOnlyList<string> stops)
{
    /// <summary>Where the text must be cut, or -1.</summary>
    public int Find(string text)
    {
        var first = -1;
        foreach (var stop in stops)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first)) first = at;
        }
        return first;
    }

    /// <summary>How many characters at the end might be the beginning of a stop string, so that they cannot be shown yet.</summary>
    public int Held(string text)
    {
        var held = 0;
        foreach (var stop in stops)
            for (var length = Math.Min(stop.Length - 1, text.Length); length > held; length--)
                if (text.EndsWith(stop[..length], StringComparison.Ordinal)) held = length;
        return held;
    }
}
