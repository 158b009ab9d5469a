namespace Peft.Tokenizers;

/// <summary>Reads the <c>normalizer</c> of <c>tokenizer.json</c>.</summary>
internal static class NormalizerReader
{
    public static INormalizer? ReadOptional(JsonPart part, TokenizerReading reading) => part.IsNull ? null : Read(part, reading);

    private static INormalizer Read(JsonPart part, TokenizerReading reading)
    {
        reading.CountPart();
        var type = part["type"].AsString();
        return type switch
        {
            "Sequence" => new SequenceNormalizer([.. part["normalizers"].Items().Select(each => Read(each, reading))]),
            "NFC" => new FormNormalizer(compatibility: false, compose: true),
            "NFD" => new FormNormalizer(compatibility: false, compose: false),
            "NFKC" => new FormNormalizer(compatibility: true, compose: true),
            "NFKD" => new FormNormalizer(compatibility: true, compose: false),
            "Lowercase" => new LowercaseNormalizer(),
            "StripAccents" => new StripAccentsNormalizer(),
            "Nmt" => new NmtNormalizer(),
            "BertNormalizer" => Bert(part),
            "Precompiled" => new PrecompiledNormalizer(Bytes(part["precompiled_charsmap"]), reading.Limits),
            "Prepend" => new PrependNormalizer(reading.Text(part["prepend"])),
            "Replace" => new ReplaceNormalizer(PatternReader.Read(part["pattern"], reading), reading.Text(part["content"])),
            "Strip" => new StripNormalizer(part["strip_left"].AsBool(), part["strip_right"].AsBool()),
            "ByteLevel" => new ByteLevelNormalizer(),
            _ => throw part.Unsupported($"the normalizer \"{type}\""),
        };
    }

    private static BertNormalizer Bert(JsonPart part)
    {
        var lowercase = part["lowercase"].AsBool();
        return new(part["clean_text"].AsBool(), part["handle_chinese_chars"].AsBool(), part["strip_accents"].AsBool(absent: lowercase), lowercase);
    }

    private static byte[] Bytes(JsonPart part)
    {
        try
        {
            return Convert.FromBase64String(part.AsString());
        }
        catch (FormatException)
        {
            throw part.Wrong("Base64");
        }
    }
}
