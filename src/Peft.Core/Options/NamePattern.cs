using System.Text.RegularExpressions;

namespace Peft;

/// <summary>Values that differ between modules, as in <c>rank_pattern</c>: keys are the last parts of a module's path, or regular expressions for them.</summary>
public static class NamePattern
{
    /// <summary>Returns the value for a module: that of the first key that matches the end of its path, or a default.</summary>
    /// <param name="pattern">Values by key; null for none.</param>
    /// <param name="path">Path of the module.</param>
    /// <param name="otherwise">The value if no key matches.</param>
    public static T At<T>(this IReadOnlyDictionary<string, T>? pattern, string path, T otherwise)
    {
        foreach (var (key, value) in pattern ?? new Dictionary<string, T>())
            if (IsMatch(path, key, @"(?:.*\.)?")) return value;
        return otherwise;
    }

    /// <summary>True if a pattern matches a path, like Python's <c>re.fullmatch</c>. The pattern may be untrusted, so matching is limited to one second.</summary>
    /// <param name="path">Path of a module.</param>
    /// <param name="pattern">The pattern.</param>
    /// <param name="before">Pattern that precedes it.</param>
    /// <exception cref="AdapterOptionsException">The pattern is invalid, or takes too long.</exception>
    internal static bool IsMatch(string path, string pattern, string before = "")
    {
        try
        {
            return Regex.IsMatch(path, $@"\A{before}(?:{pattern})\z", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException error)
        {
            throw new AdapterOptionsException($"'{Shown(pattern)}' is not a regular expression: {Shown(error.Message)}");
        }
        catch (RegexMatchTimeoutException)
        {
            throw new AdapterOptionsException($"The regular expression '{Shown(pattern)}' takes too long for '{path}': avoid nested repetitions, or use a list of names.");
        }
    }

    private static string Shown(string text) => text.Length > 300 ? text[..300] + "…" : text;
}
