namespace Peft.Models;

/// <summary>Reads patterns: <c>{"String": …}</c> or <c>{"Regex": …}</c>.</summary>
internal static class PatternReader
{
    public static TextPattern Read(JsonPart part)
    {
        if (!part["String"].IsNull)
            return TextPattern.Literal(part["String"].AsString());
        if (!part["Regex"].IsNull)
            return new RegexPattern(part["Regex"].AsString());
        throw part.Wrong("a pattern with \"String\" or \"Regex\"");
    }
}
