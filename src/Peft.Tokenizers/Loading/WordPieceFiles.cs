using System.Text.Json.Nodes;
using System.Text.Json;
using System.Text.Unicode;

namespace Peft.Tokenizers;

/// <summary>
/// Reads BERT's <c>vocab.txt</c>, which has one token per line, and creates the same tokenizer as transformers, with the special tokens and flags of
/// <c>tokenizer_config.json</c>.
/// </summary>
internal static class WordPieceFiles
{
    public const string Name = "vocab.txt";

    private static readonly string[] Classes = ["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast"];

    private static readonly (string Role, string Token)[] Roles = [("unk_token", "[UNK]"), ("sep_token", "[SEP]"), ("pad_token", "[PAD]"), ("cls_token", "[CLS]"), ("mask_token", "[MASK]")];

    public static TokenizerFiles Read(string file, ResourceLimits limits)
    {
        var vocabulary = Vocabulary(file, limits);
        var (settings, root) = TokenizerFiles.ReadConfig(file, limits, (config, map) =>
        {
            if (config?["tokenizer_class"] is { IsNull: false } kind && !Classes.Contains(kind.AsString()))
                throw new TokenizerException($"{file} belongs to a {kind.AsString()}, whose special tokens differ from the supported classes. Supported are {string.Join(", ", Classes)}. Save the fast tokenizer as tokenizer.json with transformers and use that.");
            var read = TokenizerSettings.Read(config, map);
            var named = read.Named.ToDictionary();
            foreach (var (role, token) in Roles) named.TryAdd(role, token);
            foreach (var token in named.Values.Where(token => !vocabulary.ContainsKey(token)).Take(1))
                throw new TokenizerException($"{file} has no token {token}, which tokenizer_config.json or BERT's defaults require: the files do not belong together.");
            return (read with { Named = named }, Describe(vocabulary, named, config));
        });
        using var document = JsonSerializer.SerializeToDocument(root);
        return TokenizerFiles.From(document.RootElement, file, settings, limits);
    }

    private static JsonObject Vocabulary(string file, ResourceLimits limits)
    {
        var content = TokenizerFiles.Content(file, limits);
        if (!Utf8.IsValid(content)) throw new TokenizerException($"{file} is not UTF-8 text, so it is not a vocabulary.");
        var vocabulary = new JsonObject();
        var check = new TokenizerReading(limits).Tokens(file);
        foreach (var line in System.Text.Encoding.UTF8.GetString(content).TrimEnd('\r', '\n').Split('\n'))
        {
            var token = line.TrimEnd('\r');
            check(token);
            if (!vocabulary.TryAdd(token, vocabulary.Count)) throw new TokenizerException($"{file}, line {vocabulary.Count + 1}: duplicate token {token}.");
        }
        return vocabulary;
    }

    // The contents of the tokenizer.json that transformers writes for these files.
    private static JsonObject Describe(JsonObject vocabulary, Dictionary<string, string> named, JsonPart? config)
    {
        return new()
        {
            ["added_tokens"] = new JsonArray([.. named.Values.Distinct().Select(token => new JsonObject { ["content"] = token, ["special"] = true, ["normalized"] = false })]),
            ["normalizer"] = new JsonObject
            {
                ["type"] = "BertNormalizer",
                ["clean_text"] = true,
                ["handle_chinese_chars"] = config?["tokenize_chinese_chars"].AsBool(true) ?? true,
                ["strip_accents"] = config?["strip_accents"] is { IsNull: false } strip ? strip.AsBool(false) : null,
                ["lowercase"] = config?["do_lower_case"].AsBool(true) ?? true,
            },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
            ["post_processor"] = new JsonObject { ["type"] = "BertProcessing", ["cls"] = Special(named["cls_token"]), ["sep"] = Special(named["sep_token"]) },
            ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            ["model"] = new JsonObject { ["type"] = "WordPiece", ["unk_token"] = named["unk_token"], ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100, ["vocab"] = vocabulary },
        };

        JsonArray Special(string token) => [token, vocabulary[token]!.DeepClone()];
    }
}
