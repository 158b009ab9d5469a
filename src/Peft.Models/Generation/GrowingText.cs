using System.Text;

namespace Peft.Models;

/// <summary>Decodes generated tokens to text incrementally, up to the first stop string.</summary>
/// <param name="tokenizer">Decodes the tokens.</param>
/// <param name="before">The preceding tokens: a tokenizer may decode the first token differently.</param>
/// <param name="stops">The stop strings.</param>
internal sealed class GrowingText(ITokenizer tokenizer, IReadOnlyList<int> before, StopStrings stops)
{
    private readonly List<int> all = [.. before];
    private readonly int start = tokenizer.Decode(before).Length;
    private readonly StringBuilder shown = new();
    private string added = "";

    /// <summary>Creates the decoder of a model's new tokens after a prompt.</summary>
    public static GrowingText After(LanguageModel model, IReadOnlyList<int> prompt, ITokenizer tokenizer, GenerationSettings settings)
        => new(tokenizer, model.ExtendsPrompt ? prompt : [], new StopStrings(settings.StopStrings));

    /// <summary>True once a stop string was found.</summary>
    public bool Stopped { get; private set; }

    /// <summary>The text returned so far.</summary>
    public string Shown => shown.ToString();

    /// <summary>Adds a token. Returns the text that is now final, often empty.</summary>
    public string Push(int token)
    {
        all.Add(token);
        var text = tokenizer.Decode(all);
        added = text.Length > start ? text[start..] : "";
        var end = stops.Find(added);
        Stopped = end >= 0;
        if (Stopped) return Show(end);
        // A replacement character at the end is an incomplete UTF-8 sequence.
        return added.EndsWith('\uFFFD') ? "" : Show(added.Length - stops.Held(added));
    }

    /// <summary>The text that was held back; empty after a stop string.</summary>
    public string Flush() => Stopped ? "" : Show(added.Length);

    private string Show(int end)
    {
        if (end <= shown.Length) return "";
        var piece = added[shown.Length..end];
        shown.Append(piece);
        return piece;
    }
}
