namespace Peft;

/// <summary>Lists the valid choices, for error messages.</summary>
internal static class Choice
{
    /// <summary>Formats names as "a", "a or b" or "a, b or c".</summary>
    public static string Of(IReadOnlyList<string> names) => names.Count == 1 ? names[0] : $"{string.Join(", ", names.SkipLast(1))} or {names[^1]}";
}
