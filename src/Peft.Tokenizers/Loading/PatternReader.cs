namespace Peft.Tokenizers;

/// <summary>Reads patterns: <c>{"String": …}</c> or <c>{"Regex": …}</c>.</summary>
internal static class PatternReader
{
    public static TextPattern Read(JsonPart part, TokenizerReading reading)
    {
        if (!part["String"].IsNull)
            return TextPattern.Literal(reading.Text(part["String"]));
        if (!part["Regex"].IsNull)
            return new RegexPattern(part["Regex"].AsString(), reading.Limits);
        throw part.Wrong("a pattern with \"String\" or \"Regex\"");
    }
}
