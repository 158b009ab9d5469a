namespace Peft.Models;

/// <summary>Reads <c>normalizer</c>.</summary>
internal static class NormalizerReader
{
    public static INormalizer? ReadOptional(JsonPart part) => part.IsNull ? null : Read(part);

    static INormalizer Read(JsonPart part)
    {
        var type = part["type"].AsString();
        return type switch
        {
            "Sequence" => new SequenceNormalizer([.. part["normalizers"].Items().Select(Read)]),
            "Prepend" => new PrependNormalizer(part["prepend"].AsString()),
            "Replace" => new ReplaceNormalizer(PatternReader.Read(part["pattern"]), part["content"].AsString()),
            "Strip" => new StripNormalizer(part["strip_left"].AsBool(), part["strip_right"].AsBool()),
            "ByteLevel" => new ByteLevelNormalizer(),
            _ => throw part.Unsupported($"the normalizer \"{type}\""),
        };
    }
}
