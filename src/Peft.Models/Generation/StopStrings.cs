namespace Peft.Models;

/// <summary>Finds the first stop string in generated text.</summary>
internal sealed class StopStrings(IReadOnlyList<string> stops)
{
    /// <summary>Index of the first stop string, where the text is cut; -1 if there is none.</summary>
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

    /// <summary>Number of characters at the end that might begin a stop string and therefore cannot be returned yet.</summary>
    public int Held(string text)
    {
        var held = 0;
        foreach (var stop in stops)
            for (var length = Math.Min(stop.Length - 1, text.Length); length > held; length--)
                if (text.EndsWith(stop[..length], StringComparison.Ordinal)) held = length;
        return held;
    }
}
