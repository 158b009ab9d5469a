namespace Peft.Tokenizers;

/// <summary>Reads the <c>decoder</c> of <c>tokenizer.json</c>.</summary>
internal static class DecoderReader
{
    public static IDecoder? ReadOptional(JsonPart part, TokenizerReading reading) => part.IsNull ? null : Read(part, reading);

    private static IDecoder Read(JsonPart part, TokenizerReading reading)
    {
        reading.CountPart();
        var type = part["type"].AsString();
        return type switch
        {
            "Sequence" => new SequenceDecoder([.. part["decoders"].Items().Select(each => Read(each, reading))]),
            "ByteLevel" => new ByteLevelDecoder(),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Replace" => new ReplaceDecoder(PatternReader.Read(part["pattern"], reading), reading.Text(part["content"])),
            "Strip" => new StripDecoder(part["content"].AsCharacter(), part["start"].AsInt(), part["stop"].AsInt()),
            "Metaspace" => new MetaspaceDecoder(part["replacement"].AsCharacter().ToString(), PreTokenizerReader.Scheme(part)),
            "BPEDecoder" => new BpeDecoder(reading.Text(part["suffix"])),
            "WordPiece" => new WordPieceDecoder(reading.Text(part["prefix"]), part["cleanup"].AsBool()),
            "CTC" => new CtcDecoder(reading.Text(part["pad_token"]), reading.Text(part["word_delimiter_token"]), part["cleanup"].AsBool()),
            _ => throw part.Unsupported($"the decoder \"{type}\""),
        };
    }
}
