using Microsoft.Extensions.AI;

namespace Peft.Tokenizers;

/// <summary>Finds tool calls in streamed text. Malformed calls remain text, unchanged.</summary>
/// <param name="marks">The format.</param>
/// <param name="tools">Names of the request's tools.</param>
internal sealed class ToolCallReader(ToolCallMarks marks, IReadOnlyCollection<string> tools)
{
    private string pending = "", blank = "", opening = "";
    private bool inside, begun, afterCall;

    /// <summary>True once a call was found.</summary>
    public bool Called { get; private set; }

    /// <summary>Adds a piece of text. Returns the text and the calls that are now complete.</summary>
    public IEnumerable<AIContent> Push(string text)
    {
        pending += text;
        return Read(final: false);
    }

    /// <summary>The remaining content at the end of the answer.</summary>
    public IEnumerable<AIContent> Flush() => Read(final: true);

    private List<AIContent> Read(bool final)
    {
        var found = new List<AIContent>();
        while (pending.Length > 0 && Advance(final, found)) { }
        if (!final) return found;
        if (inside) Show(opening, found);   // a mark at the very end
        if (blank.Length > 0 && !afterCall) found.Add(new TextContent(blank));
        (inside, blank) = (false, "");
        return found;
    }

    // Returns true if there is more to process.
    private bool Advance(bool final, List<AIContent> found)
    {
        if (!inside) return Outside(final, found);
        var end = marks.End is { } mark ? pending.IndexOf(mark, StringComparison.Ordinal) : -1;
        if (end < 0 && !final) return false;
        var (body, length) = end < 0 ? (pending, pending.Length) : (pending[..end], end + marks.End!.Length);
        Close(body, pending[..length], found);
        pending = pending[length..];
        inside = false;
        return true;
    }

    private bool Outside(bool final, List<AIContent> found)
    {
        // An answer that is a single object is a call without a mark.
        if (marks.StartsBare && !begun)
        {
            if (pending.AsSpan().Trim().Length == 0 && !final) return false;
            if (pending.AsSpan().TrimStart().StartsWith("{"))
            {
                (inside, begun, opening) = (true, true, "");
                return true;
            }
        }
        var start = pending.IndexOf(marks.Start, StringComparison.Ordinal);
        if (start >= 0)
        {
            Show(pending[..start], found);
            pending = pending[(start + marks.Start.Length)..];
            (inside, begun, opening) = (true, true, marks.Start);
            return true;
        }
        var held = final ? 0 : Held(pending);
        var shown = pending[..^held];
        if (marks.StartsBare && !begun && held > 0 && shown.AsSpan().Trim().Length == 0) return false;
        begun |= shown.AsSpan().Trim().Length > 0;
        Show(shown, found);
        pending = pending[shown.Length..];
        return false;
    }

    private void Close(string body, string raw, List<AIContent> found)
    {
        var calls = ToolCallJson.Read(body, marks.ArgumentNames, list: marks.IsList);
        if (calls is null || (opening.Length == 0 && calls.Any(call => !tools.Contains(call.Name))))
        {
            Show(opening + raw, found);
            return;
        }
        Called = afterCall = true;
        blank = "";   // whitespace before and between calls is insignificant
        found.AddRange(calls);
    }

    // Whitespace is held back until the text that follows it is known, so that the result does not depend on how the text is split into pieces.
    private void Show(string text, List<AIContent> found)
    {
        blank += text;
        var end = blank.AsSpan().TrimEnd().Length;
        if (end == 0) return;
        found.Add(new TextContent(blank[..end]));
        (blank, afterCall) = (blank[end..], false);
    }

    // Number of characters at the end that may begin a mark.
    private int Held(string text)
    {
        for (var length = Math.Min(text.Length, marks.Start.Length - 1); length > 0; length--)
            if (marks.Start.StartsWith(text[^length..], StringComparison.Ordinal)) return length;
        return 0;
    }
}
