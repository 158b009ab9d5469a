using System.Text.Json;

namespace Peft.Tokenizers;

/// <summary>Reads the <c>model</c> of <c>tokenizer.json</c>.</summary>
internal static class ModelReader
{
    public static ITokenModel Read(JsonPart part, TokenizerReading reading)
    {
        var type = part["type"].AsString(absent: Guess(part));
        return type switch
        {
            "BPE" => Bpe(part, reading),
            "WordPiece" => new WordPieceModel(Vocabulary(part["vocab"], reading), part["unk_token"].AsString("[UNK]"), reading.Text(part["continuing_subword_prefix"], "##"), part["max_input_chars_per_word"].AsInt(100)),
            "Unigram" => Unigram(part, reading),
            "WordLevel" => new WordLevelModel(Vocabulary(part["vocab"], reading), part["unk_token"].AsString("<unk>")),
            _ => throw part.Unsupported($"the model \"{type}\""),
        };
    }

    // The oldest files have no type.
    private static string Guess(JsonPart part)
        => !part["merges"].IsNull ? "BPE" : part["vocab"].IsArray ? "Unigram" : !part["max_input_chars_per_word"].IsNull ? "WordPiece" : "WordLevel";

    private static BpeModel Bpe(JsonPart part, TokenizerReading reading)
    {
        if (!part["dropout"].IsNull && part["dropout"].AsDouble() != 0)
            throw part["dropout"].Unsupported("dropout other than 0, which makes encodings random,");
        return new(Vocabulary(part["vocab"], reading), Merges(part["merges"], reading), new()
        {
            UnknownToken = part["unk_token"].IsNull ? null : part["unk_token"].AsString(),
            ContinuingSubwordPrefix = reading.Text(part["continuing_subword_prefix"], ""),
            EndOfWordSuffix = reading.Text(part["end_of_word_suffix"], ""),
            FuseUnknown = part["fuse_unk"].AsBool(false),
            ByteFallback = part["byte_fallback"].AsBool(false),
            IgnoreMerges = part["ignore_merges"].AsBool(false),
        });
    }

    private static Vocabulary Vocabulary(JsonPart part, TokenizerReading reading)
    {
        if (!part.IsObject)
            throw part.Wrong("an object of tokens and ids");
        var ids = new Dictionary<string, int>();
        var check = reading.Tokens(part.Path);
        foreach (var entry in part.Element.EnumerateObject())
        {
            check(entry.Name);
            // The ids of added tokens follow those of the vocabulary.
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id) || id is < 0 or >= 1 << 30)
                throw (part with { Element = entry.Value, Path = $"{part.Path}[\"{entry.Name}\"]" }).Wrong($"an integer of at least 0 and below {1 << 30}");
            ids[entry.Name] = id;
        }
        return new(ids);
    }

    private static List<(string, string)> Merges(JsonPart part, TokenizerReading reading)
    {
        var merges = new List<(string, string)>();
        foreach (var item in part.Items())
        {
            if (merges.Count >= reading.Limits.MaxTokens)
                throw TokenizerReading.TooMuch(reading.Limits, part.Path, nameof(ResourceLimits.MaxTokens));
            if (item.IsArray)
            {
                var pair = item.Items().ToArray();
                merges.Add(pair.Length == 2 ? (pair[0].AsString(), pair[1].AsString()) : throw item.Wrong("a pair of tokens"));
                continue;
            }
            var line = item.AsString();
            if (line.StartsWith("#version", StringComparison.Ordinal))
                continue;
            var parts = line.Split(' ');
            merges.Add(parts.Length == 2 ? (parts[0], parts[1]) : throw item.Wrong("two tokens separated by a space"));
        }
        return merges;
    }

    private static UnigramModel Unigram(JsonPart part, TokenizerReading reading)
    {
        var check = reading.Tokens(part["vocab"].Path);
        var vocabulary = part["vocab"].Items().Select(entry =>
        {
            var items = entry.Items().ToArray();
            if (items.Length != 2)
                throw entry.Wrong("a token and its score");
            check(items[0].AsString());
            return (items[0].AsString(), items[1].AsDouble());
        }).ToArray();
        var unknown = part["unk_id"].IsNull ? (int?)null : part["unk_id"].AsInt();
        if (unknown >= vocabulary.Length)
            throw part["unk_id"].Wrong($"less than the vocabulary size, {vocabulary.Length}");
        return new(vocabulary, unknown, part["byte_fallback"].AsBool(false));
    }
}
