namespace Peft.Models;

/// <summary>Reads <c>decoder</c>.</summary>
internal static class DecoderReader
{
    public static IDecoder? ReadOptional(JsonPart part) => part.IsNull ? null : Read(part);

    static IDecoder Read(JsonPart part)
    {
        var type = part["type"].AsString();
        return type switch
        {
            "Sequence" => new SequenceDecoder([.. part["decoders"].Items().Select(Read)]),
            "ByteLevel" => new ByteLevelDecoder(),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Replace" => new ReplaceDecoder(PatternReader.Read(part["pattern"]), part["content"].AsString()),
            "Strip" => new StripDecoder(part["content"].AsCharacter(), part["start"].AsInt(), part["stop"].AsInt()),
            "Metaspace" => new MetaspaceDecoder(part["replacement"].AsCharacter().ToString(), PreTokenizerReader.Scheme(part)),
            "BPEDecoder" => new BpeDecoder(part["suffix"].AsString()),
            "WordPiece" => new WordPieceDecoder(part["prefix"].AsString(), part["cleanup"].AsBool()),
            "CTC" => new CtcDecoder(part["pad_token"].AsString(), part["word_delimiter_token"].AsString(), part["cleanup"].AsBool()),
            _ => throw part.Unsupported($"the decoder \"{type}\""),
        };
    }
}
