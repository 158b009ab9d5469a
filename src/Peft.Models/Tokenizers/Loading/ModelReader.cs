using System.Text.Json;

namespace Peft.Models;

/// <summary>Reads <c>model</c>.</summary>
internal static class ModelReader
{
    public static ITokenModel Read(JsonPart part)
    {
        var type = part["type"].AsString(absent: Guess(part));
        return type switch
        {
            "BPE" => Bpe(part),
            "WordPiece" => new WordPieceModel(Vocabulary(part["vocab"]), part["unk_token"].AsString("[UNK]"), part["continuing_subword_prefix"].AsString("##"), part["max_input_chars_per_word"].AsInt(100)),
            "Unigram" => Unigram(part),
            "WordLevel" => new WordLevelModel(Vocabulary(part["vocab"]), part["unk_token"].AsString("<unk>")),
            _ => throw part.Unsupported($"the model \"{type}\""),
        };
    }

    // The oldest files do not name the type.
    static string Guess(JsonPart part)
        => !part["merges"].IsNull ? "BPE" : part["vocab"].IsArray ? "Unigram" : !part["max_input_chars_per_word"].IsNull ? "WordPiece" : "WordLevel";

    static BpeModel Bpe(JsonPart part)
    {
        if (!part["dropout"].IsNull && part["dropout"].AsDouble() != 0)
            throw part["dropout"].Unsupported("dropout other than 0, which makes encodings random,");
        return new(Vocabulary(part["vocab"]), Merges(part["merges"]), new()
        {
            UnknownToken = part["unk_token"].IsNull ? null : part["unk_token"].AsString(),
            ContinuingSubwordPrefix = part["continuing_subword_prefix"].AsString(""),
            EndOfWordSuffix = part["end_of_word_suffix"].AsString(""),
            FuseUnknown = part["fuse_unk"].AsBool(false),
            ByteFallback = part["byte_fallback"].AsBool(false),
            IgnoreMerges = part["ignore_merges"].AsBool(false),
        });
    }

    static Vocabulary Vocabulary(JsonPart part)
    {
        if (!part.IsObject)
            throw part.Wrong("an object of tokens and ids");
        var ids = new Dictionary<string, int>();
        foreach (var entry in part.Element.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id) || id < 0)
                throw new JsonPart(entry.Value, $"{part.Path}[\"{entry.Name}\"]").Wrong("a whole number of at least 0");
            ids[entry.Name] = id;
        }
        return new(ids);
    }

    static List<(string, string)> Merges(JsonPart part)
    {
        var merges = new List<(string, string)>();
        foreach (var item in part.Items())
        {
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
            merges.Add(parts.Length == 2 ? (parts[0], parts[1]) : throw item.Wrong("two tokens with a space between them"));
        }
        return merges;
    }

    static UnigramModel Unigram(JsonPart part)
    {
        var vocabulary = part["vocab"].Items().Select(entry =>
        {
            var items = entry.Items().ToArray();
            return items.Length == 2 ? (items[0].AsString(), items[1].AsDouble()) : throw entry.Wrong("a token and its score");
        }).ToArray();
        var unknown = part["unk_id"].IsNull ? (int?)null : part["unk_id"].AsInt();
        if (unknown >= vocabulary.Length)
            throw part["unk_id"].Wrong($"below the vocabulary's size, {vocabulary.Length}");
        return new(vocabulary, unknown, part["byte_fallback"].AsBool(false));
    }
}
