namespace Peft.Tokenizers.Jinja;

/// <summary>Shortens text of templates for error messages.</summary>
internal static class Excerpt
{
    private const int MaxLength = 200;

    public static string Of(string text) => text.Length <= MaxLength ? text : string.Concat(text.AsSpan(0, MaxLength), "…");
}
