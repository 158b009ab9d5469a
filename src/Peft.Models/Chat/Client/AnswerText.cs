namespace Peft.Models;

/// <summary>Decodes the tokens of an answer to text incrementally, up to the first stop string.</summary>
internal sealed class AnswerText(StreamingDecoder decoder, IReadOnlyList<string> stops)
{
    private readonly StopStrings stops = new(stops);
    private string pending = "";

    /// <summary>True once a stop string was found.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Adds a token. Returns the text that is now final, often empty.</summary>
    public string Push(int token) => Take(decoder.Push(token), final: false);

    /// <summary>Adds the text of a special token, which decoding would skip.</summary>
    public string Insert(string text) => Take(decoder.Flush() + text, final: false);

    /// <summary>The text that was held back; empty after a stop string.</summary>
    public string Flush() => Take(decoder.Flush(), final: true);

    private string Take(string text, bool final)
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
