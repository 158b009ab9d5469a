namespace Peft.Tokenizers.Jinja;

/// <summary>Shortens texts of templates for error messages.</summary>
internal static class Excerpt
{
    private const int Longest = 200;

    public static string Of(string text) => text.Length <= Longest ? text : string.Concat(text.AsSpan(0, Longest), "…");
}
