using Microsoft.Extensions.FileSystemGlobbing;

namespace Peft.Data;

/// <summary>Patterns of file names with <c>*</c> and <c>**</c>.</summary>
internal static class Glob
{
    public static Matcher Of(IEnumerable<string> patterns)
    {
        var matcher = new Matcher(StringComparison.Ordinal);
        foreach (var each in patterns) matcher.AddInclude(each);
        return matcher;
    }

    /// <summary>Divides a pattern into the folder before its first wildcard and the rest.</summary>
    public static (string Root, string Pattern) Rooted(string pattern)
    {
        var normal = pattern.Replace('\\', '/');
        var slash = normal.LastIndexOf('/', normal.IndexOf('*'));
        return slash < 0 ? (".", normal) : (slash == 0 ? "/" : normal[..slash], normal[(slash + 1)..]);
    }
}
