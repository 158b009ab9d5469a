namespace Examples;

/// <summary>A page in docs/ with parts that a program writes.</summary>
internal static class Page
{
    /// <summary>Writes lines between the lines <c>&lt;!-- name --&gt;</c> and <c>&lt;!-- end of name --&gt;</c>.</summary>
    /// <exception cref="InvalidOperationException">The page lacks one of the two lines.</exception>
    public static void Write(string page, string name, IEnumerable<string> lines)
    {
        var text = File.ReadAllText(page);
        string begin = $"<!-- {name} -->\n", end = $"<!-- end of {name} -->";
        var from = text.IndexOf(begin, StringComparison.Ordinal);
        var to = text.IndexOf(end, StringComparison.Ordinal);
        if (from < 0 || to < from) throw new InvalidOperationException($"{page} has no part between '{begin.TrimEnd()}' and '{end}'.");
        File.WriteAllText(page, text[..(from + begin.Length)] + string.Concat(lines.Select(line => line + "\n")) + text[to..]);
    }
}
