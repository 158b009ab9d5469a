namespace Peft.Tokenizers;

/// <summary>Reads the <c>post_processor</c> of <c>tokenizer.json</c>.</summary>
internal static class PostProcessorReader
{
    public static IPostProcessor? ReadOptional(JsonPart part, TokenizerReading reading) => part.IsNull ? null : Read(part, reading);

    private static IPostProcessor Read(JsonPart part, TokenizerReading reading)
    {
        reading.CountPart();
        var type = part["type"].AsString();
        return type switch
        {
            "Sequence" => new SequencePostProcessor([.. part["processors"].Items().Select(each => Read(each, reading))]),
            "TemplateProcessing" => Template(part, reading),
            "ByteLevel" => new ByteLevelPostProcessor(part["trim_offsets"].AsBool(), part["add_prefix_space"].AsBool()),
            "BertProcessing" => new BertPostProcessor(Token(part["cls"]), Token(part["sep"])),
            "RobertaProcessing" => new RobertaPostProcessor(Token(part["cls"]), Token(part["sep"]), part["trim_offsets"].AsBool(), part["add_prefix_space"].AsBool()),
            _ => throw part.Unsupported($"the post-processor \"{type}\""),
        };
    }

    private static (int Id, string Token) Token(JsonPart part)
    {
        var items = part.Items().ToArray();
        return items.Length == 2 ? (items[1].AsInt(), items[0].AsString()) : throw part.Wrong("a token and its id");
    }

    private static TemplatePostProcessor Template(JsonPart part, TokenizerReading reading)
    {
        var special = part["special_tokens"].Properties().ToDictionary(entry => entry.Name, entry => Tokens(entry.Value));
        return new(Pieces(part["single"], special, 1, reading), Pieces(part["pair"], special, 2, reading));
    }

    private static (int, string)[] Tokens(JsonPart part)
    {
        var ids = part["ids"].Items().Select(id => id.AsInt()).ToArray();
        var tokens = part["tokens"].Items().Select(token => token.AsString()).ToArray();
        return ids.Length == tokens.Length ? [.. ids.Zip(tokens)] : throw part.Wrong("as many ids as tokens");
    }

    private static TemplatePiece[] Pieces(JsonPart part, Dictionary<string, (int, string)[]> special, int sequences, TokenizerReading reading)
    {
        var entries = new List<TemplatePiece>();
        var count = 0;
        foreach (var piece in part.Items())
        {
            entries.Add(Piece(piece, special, sequences));
            if ((count += Math.Max(1, entries[^1].Tokens.Count)) > reading.Limits.MaxTemplateEntries)
                throw TokenizerReading.TooMuch(reading.Limits, part.Path, nameof(ResourceLimits.MaxTemplateEntries));
        }
        return [.. entries];
    }

    private static TemplatePiece Piece(JsonPart piece, Dictionary<string, (int, string)[]> special, int sequences)
    {
        if (!piece["Sequence"].IsNull)
        {
            var sequence = piece["Sequence"]["id"].AsString() switch { "A" => 0, "B" => 1, _ => throw piece["Sequence"]["id"].Wrong("\"A\" or \"B\"") };
            if (sequence >= sequences)
                throw piece.Wrong("sequence \"A\", the only one in a template for a single text");
            return new TemplatePiece(sequence, piece["Sequence"]["type_id"].AsInt(), []);
        }
        var token = piece["SpecialToken"];
        if (token.IsNull)
            throw piece.Wrong("a \"Sequence\" or a \"SpecialToken\"");
        return special.TryGetValue(token["id"].AsString(), out var tokens)
            ? new TemplatePiece(null, token["type_id"].AsInt(), tokens)
            : throw token["id"].Wrong("one of special_tokens");
    }
}
