namespace Peft;

/// <summary>Lists what can be chosen, for errors.</summary>
internal static class Choice
{
    /// <summary>"a", "a or b", "a, b or c".</summary>
    public static string Of(IReadOnlyList<string> names) => names.Count == 1 ? names[0] : $"{string.Join(", ", names.SkipLast(1))} or {names[^1]}";
}
