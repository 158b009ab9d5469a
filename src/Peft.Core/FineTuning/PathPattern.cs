using System.Globalization;

namespace Peft;

/// <summary>A pattern for modules or parameters: a path or its last parts, in which a negative number counts from the end of a module list (<c>layers.-1</c>).</summary>
internal sealed class PathPattern
{
    private readonly string[] parts;
    private readonly Dictionary<string, int> lengths;

    private PathPattern(string name, Dictionary<string, int> lengths)
    {
        parts = name.Split('.');
        this.lengths = lengths;
    }

    /// <summary>Creates the patterns for names, with the lengths of the model's module lists.</summary>
    public static IReadOnlyList<PathPattern> For(ModelTree model, IReadOnlyList<string> names)
    {
        var numbered = model.ModulePaths.Select(path => (List: path[..Math.Max(0, path.LastIndexOf('.'))], Index: Number(path[(path.LastIndexOf('.') + 1)..]))).Where(pair => pair.Index >= 0);
        var lengths = numbered.GroupBy(pair => pair.List).ToDictionary(list => list.Key, list => list.Max(pair => pair.Index!.Value) + 1);
        return [.. names.Select(name => new PathPattern(name, lengths))];
    }

    /// <summary>True if the pattern matches a parameter, or a module that contains it.</summary>
    public bool Matches(string parameter)
    {
        var path = parameter.Split('.');
        for (var end = parts.Length; end <= path.Length; end++)
            if (Ends(path.AsSpan(..end))) return true;
        return false;
    }

    private bool Ends(ReadOnlySpan<string> path)
    {
        for (var i = 1; i <= parts.Length; i++)
        {
            var (name, at) = (parts[^i], path.Length - i);
            if (name == path[at]) continue;
            if (Number(name) is not { } fromEnd || fromEnd >= 0 || Number(path[at]) is not { } index) return false;
            if (lengths.GetValueOrDefault(string.Join('.', path[..at])) + fromEnd != index) return false;
        }
        return true;
    }

    private static int? Number(string part) => int.TryParse(part, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;
}
