using System.Text.RegularExpressions;

namespace Peft;

/// <summary>Values that differ for some modules, as in <c>rank_pattern</c>: keys are the last parts of a module's path, or regular expressions for them.</summary>
public static class NamePattern
{
    /// <summary>The value for a module: that of the first key which matches the end of its path, else another.</summary>
    /// <param name="pattern">Values by key; null for none.</param>
    /// <param name="path">Path of the module.</param>
    /// <param name="otherwise">The value where no key matches.</param>
    public static T At<T>(this IReadOnlyDictionary<string, T>? pattern, string path, T otherwise)
    {
        foreach (var (key, value) in pattern ?? new Dictionary<string, T>())
            if (Regex.IsMatch(path, $@"\A(?:.*\.)?(?:{key})\z", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1))) return value;
        return otherwise;
    }
}
