using System.Text;

namespace Peft.Models;

/// <summary>A text as its tokens come, up to the first stop string.</summary>
/// <param name="tokenizer">Decodes the tokens.</param>
/// <param name="before">Tokens before: a tokenizer may treat the first token of a text in another way than the rest.</param>
/// <param name="stops">The stop strings.</param>
internal sealed class GrowingText(ITokenizer tokenizer, IReadOnlyList<int> before, StopStrings stops)
{
    private readonly List<int> all = [.. before];
    private readonly int start = tokenizer.Decode(before).Length;
    private readonly StringBuilder shown = new();
    private string added = "";

    /// <summary>What a model adds to a prompt.</summary>
    public static GrowingText After(LanguageModel model, IReadOnlyList<int> prompt, ITokenizer tokenizer, GenerationSettings settings)
        => new(tokenizer, model.ExtendsPrompt ? prompt : [], new StopStrings(settings.StopStrings));

    /// <summary>Whether a stop string came.</summary>
    public bool Stopped { get; private set; }

    /// <summary>What was shown so far.</summary>
    public string Shown => shown.ToString();

    /// <summary>Takes a token; returns the text that can be shown now, often empty.</summary>
    public string Push(int token)
    {
        all.Add(token);
        var text = tokenizer.Decode(all);
        added = text.Length > start ? text[start..] : "";
        var end = stops.Find(added);
        Stopped = end >= 0;
        if (Stopped) return Show(end);
        // A replacement character at the end is a letter whose bytes are not all there yet.
        return added.EndsWith('\uFFFD') ? "" : Show(added.Length - stops.Held(added));
    }

    /// <summary>The text that was held back; none after a stop string.</summary>
    public string Flush() => Stopped ? "" : Show(added.Length);

    private string Show(int end)
    {
        if (end <= shown.Length) return "";
        var piece = added[shown.Length..end];
        shown.Append(piece);
        return piece;
    }
}
