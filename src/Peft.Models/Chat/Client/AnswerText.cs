namespace Peft.Models;

/// <summary>The text of an answer as its tokens come, up to the first stop string.</summary>
internal sealed class AnswerText(StreamingDecoder decoder, IReadOnlyList<string> stops)
{
    readonly StopStrings stops = new(stops);
    string pending = "";

    /// <summary>Whether a stop string came.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Takes a token; returns the text that can be shown, often empty.</summary>
    public string Push(int token) => Take(decoder.Push(token), final: false);

    /// <summary>Takes text that stands for a special token, which decoding would leave out.</summary>
    public string Insert(string text) => Take(decoder.Flush() + text, final: false);

    /// <summary>The text that was held back; none after a stop string.</summary>
    public string Flush() => Take(decoder.Flush(), final: true);

    string Take(string text, bool final)
    {
        if (Stopped) return "";
        pending += text;
        var end = stops.Find(pending);
        Stopped = end >= 0;
        if (!Stopped) end = final ? pending.Length : pending.Length - stops.Held(pending);
        var shown = pending[..end];
        pending = pending[end..];
        return shown;
    }
}
