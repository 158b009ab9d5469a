using System.Text;

namespace Peft.Tokenizers;

/// <summary>Reads the <c>pre_tokenizer</c> of <c>tokenizer.json</c>.</summary>
internal static class PreTokenizerReader
{
    public static IPreTokenizer? ReadOptional(JsonPart part, TokenizerReading reading) => part.IsNull ? null : Read(part, reading);

    private static IPreTokenizer Read(JsonPart part, TokenizerReading reading)
    {
        reading.CountPart();
        var type = part["type"].AsString();
        return type switch
        {
            "Sequence" => new SequencePreTokenizer([.. part["pretokenizers"].Items().Select(each => Read(each, reading))]),
            "ByteLevel" => new ByteLevelPreTokenizer(part["add_prefix_space"].AsBool(), part["use_regex"].AsBool(true), reading.Limits),
            "Split" => Split(part, reading),
            "Whitespace" => new SplitPreTokenizer(new WordPattern(), SplitBehavior.Removed),
            "WhitespaceSplit" => new SplitPreTokenizer(TextPattern.Characters(Rune.IsWhiteSpace), SplitBehavior.Removed),
            "BertPreTokenizer" => new SequencePreTokenizer(
            [
                new SplitPreTokenizer(TextPattern.Characters(Rune.IsWhiteSpace), SplitBehavior.Removed),
                new SplitPreTokenizer(TextPattern.Characters(UnicodeClasses.Punctuation()), SplitBehavior.Isolated),
            ]),
            "Metaspace" => Metaspace(part),
            "Digits" => new SplitPreTokenizer(TextPattern.Characters(UnicodeClasses.IsNumeric), part["individual_digits"].AsBool() ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
            "Punctuation" => new SplitPreTokenizer(TextPattern.Characters(UnicodeClasses.Punctuation()), part["behavior"].IsNull ? SplitBehavior.Isolated : part["behavior"].AsEnum<SplitBehavior>()),
            "CharDelimiterSplit" => new SplitPreTokenizer(TextPattern.Literal(part["delimiter"].AsCharacter().ToString()), SplitBehavior.Removed),
            "FixedLength" => new FixedLengthPreTokenizer(part["length"].AsInt(5) is > 0 and var length ? length : throw part["length"].Wrong("at least 1")),
            _ => throw part.Unsupported($"the pre-tokenizer \"{type}\""),
        };
    }

    private static SplitPreTokenizer Split(JsonPart part, TokenizerReading reading)
    {
        var pattern = PatternReader.Read(part["pattern"], reading);
        return new(part["invert"].AsBool(false) ? pattern.Inverted() : pattern, part["behavior"].AsEnum<SplitBehavior>());
    }

    private static MetaspacePreTokenizer Metaspace(JsonPart part)
        => new(part["replacement"].AsCharacter().ToString(), Scheme(part), part["split"].AsBool(true));

    /// <summary>The scheme of a Metaspace component. Files before 2024 have <c>add_prefix_space</c> instead.</summary>
    public static PrependScheme Scheme(JsonPart part)
    {
        var scheme = part["prepend_scheme"].IsNull ? (PrependScheme?)null : part["prepend_scheme"].AsEnum<PrependScheme>();
        if (part["add_prefix_space"].AsBool(true))
            return scheme ?? PrependScheme.Always;
        return scheme is null or PrependScheme.Never ? PrependScheme.Never : throw part["add_prefix_space"].Wrong("true unless prepend_scheme is \"never\"");
    }
}
