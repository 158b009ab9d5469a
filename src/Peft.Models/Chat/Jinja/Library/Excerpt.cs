namespace Peft.Models.Jinja;

/// <summary>Texts of templates in messages, where a part of them is enough.</summary>
internal static class Excerpt
{
    const int Longest = 200;

    public static string Of(string text) => text.Length <= Longest ? text : string.Concat(text.AsSpan(0, Longest), "…");
}
