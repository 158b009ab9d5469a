using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Gguf;

namespace Peft.Tokenizers.Gguf;

/// <summary>Converts the tokenizer in the metadata of a GGUF file to the files of a Hugging Face tokenizer.</summary>
internal static class GgufTokenizer
{
    private const string Words = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    private const string Rest = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The split of each digit, which that of GPT-2 follows.</summary>
    internal const string Digit = @"\p{N}";

    // The regular expressions by which texts are split, by tokenizer.ggml.pre; null for that of GPT-2. GPT-NeoX is "olmo".
    internal static readonly Dictionary<string, string?> Splits = new()
    {
        ["gpt-2"] = null, ["olmo"] = null, ["smollm"] = Digit, ["llama-bpe"] = Words + @"\p{N}{1,3}" + Rest, ["llama3"] = Words + @"\p{N}{1,3}" + Rest, ["qwen2"] = Words + @"\p{N}" + Rest,
    };

    /// <summary>True if texts are brought into the form NFC, by <c>tokenizer.ggml.pre</c>.</summary>
    internal static bool Composes(string pre) => pre is "qwen2" or "olmo";

    /// <exception cref="TokenizerException">The file has no tokenizer, or one whose type is not supported.</exception>
    public static TokenizerFiles Read(string path, ResourceLimits limits)
    {
        var file = GgufHeader.Read(path);
        var kind = file.Text("tokenizer.ggml.model") ?? throw new TokenizerException($"{path} has no tokenizer (tokenizer.ggml.model): load the tokenizer of the model's folder.");
        var tokens = file.Texts("tokenizer.ggml.tokens") ?? throw file.Damaged("its tokenizer has no tokens");
        var types = file.Wholes("tokenizer.ggml.token_type") ?? [.. tokens.Select(_ => 1L)];
        if (types.Length != tokens.Length) throw file.Damaged($"its tokenizer has {tokens.Length} tokens, but {types.Length} token types");
        var files = kind switch
        {
            "gpt2" => Bpe(file, tokens, types, limits),
            "llama" => GgufSentencePiece.Read(file, tokens, types, limits),
            _ => throw new TokenizerException($"{path}: the tokenizer type '{kind}' is not supported. Supported are gpt2 (byte-level BPE) and llama (SentencePiece): load the tokenizer of the model's folder."),
        };
        return files with { Template = file.Text("tokenizer.chat_template") };
    }

    /// <summary>The special tokens by role.</summary>
    public static Dictionary<string, string> Roles(GgufHeader file, string[] tokens)
    {
        var roles = new Dictionary<string, string>();
        foreach (var (key, role) in new[] { ("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token") })
        {
            if (file.Whole($"tokenizer.ggml.{key}_token_id") is not { } id) continue;
            roles[role] = id >= 0 && id < tokens.Length ? tokens[id] : throw file.Damaged($"the id of its {key} token is {id}, but there are {tokens.Length} tokens");
        }
        return roles;
    }

    private static TokenizerFiles Bpe(GgufHeader file, string[] tokens, long[] types, ResourceLimits limits)
    {
        var pre = file.Text("tokenizer.ggml.pre") ?? "default";
        if (!Splits.TryGetValue(pre, out var split))
            throw new TokenizerException($"{file.Path}: the pre-tokenizer '{pre}' (tokenizer.ggml.pre) is not supported. Supported are {string.Join(", ", Splits.Keys)}: load the tokenizer of the model's folder.");
        var isLlama = pre is "llama-bpe" or "llama3";
        var merges = file.Texts("tokenizer.ggml.merges") ?? throw file.Damaged("its tokenizer has no merges");
        if (tokens.Distinct().Count() != tokens.Length) throw file.Damaged("its tokenizer has a duplicate token");
        var roles = Roles(file, tokens);
        var added = Enumerable.Range(0, tokens.Length).Where(id => types[id] is 3 or 4).Select(id => (JsonNode)TokenizerWriter.Describe(new AddedToken(tokens[id]) { Special = types[id] == 3, Normalized = false }, id));
        JsonObject Level(bool regex) => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = regex };
        var main = new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray([.. added]),
            ["normalizer"] = Composes(pre) ? new JsonObject { ["type"] = "NFC" } : null,
            ["pre_tokenizer"] = split is null ? Level(true) : new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = split }, ["behavior"] = "Isolated", ["invert"] = false }, Level(split == Digit)),
            },
            ["post_processor"] = Template(file, roles, tokens, begins: isLlama),
            ["decoder"] = Level(true),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE", ["ignore_merges"] = isLlama,
                ["vocab"] = new JsonObject(tokens.Select((token, id) => KeyValuePair.Create<string, JsonNode?>(token, id))),
                ["merges"] = new JsonArray([.. merges.Select(merge => (JsonNode)merge)]),
            },
        };
        var config = Config(file, roles, "PreTrainedTokenizerFast");
        var contents = new Dictionary<string, byte[]> { [TokenizerWriter.Main] = JsonSerializer.SerializeToUtf8Bytes(main), [TokenizerWriter.Config] = JsonSerializer.SerializeToUtf8Bytes(config) };
        using var read = JsonDocument.Parse(contents[TokenizerWriter.Main]);
        return TokenizerFiles.From(read.RootElement, file.Path, Settings(config), limits) with { Contents = contents };
    }

    /// <summary>The settings of a configuration.</summary>
    public static TokenizerSettings Settings(JsonObject config)
        => TokenizerSettings.Read(new JsonPart(JsonSerializer.SerializeToElement(config), TokenizerWriter.Config, (message, inner) => new TokenizerException(message, inner)), null);

    /// <summary>A <c>tokenizer_config.json</c>.</summary>
    public static JsonObject Config(GgufHeader file, Dictionary<string, string> roles, string kind)
    {
        var config = new JsonObject { ["tokenizer_class"] = kind, ["clean_up_tokenization_spaces"] = false };
        foreach (var (role, token) in roles) config[role] = token;
        if (file.Text("tokenizer.chat_template") is { } template) config["chat_template"] = template;
        return config;
    }

    // Unless the file says otherwise, llama.cpp adds a begin-of-sequence token only for Llama 3.
    private static JsonObject? Template(GgufHeader file, Dictionary<string, string> roles, string[] tokens, bool begins)
    {
        var single = new JsonArray();
        var used = new JsonObject();
        if ((file.Flag("tokenizer.ggml.add_bos_token") ?? begins) && roles.TryGetValue("bos_token", out var bos)) Special(bos);
        single.Add(new JsonObject { ["Sequence"] = new JsonObject { ["id"] = "A", ["type_id"] = 0 } });
        if ((file.Flag("tokenizer.ggml.add_eos_token") ?? false) && roles.TryGetValue("eos_token", out var eos)) Special(eos);
        if (used.Count == 0) return null;
        var pair = new JsonArray([.. single.Select(piece => piece!.DeepClone()), .. single.Select(piece => Second(piece!))]);
        return new JsonObject { ["type"] = "TemplateProcessing", ["single"] = single, ["pair"] = pair, ["special_tokens"] = used };

        void Special(string token)
        {
            single.Add(new JsonObject { ["SpecialToken"] = new JsonObject { ["id"] = token, ["type_id"] = 0 } });
            used[token] = new JsonObject { ["id"] = token, ["ids"] = new JsonArray(Array.IndexOf(tokens, token)), ["tokens"] = new JsonArray(token) };
        }

        static JsonNode Second(JsonNode piece)
        {
            var copy = piece.DeepClone();
            var inner = (copy["Sequence"] ?? copy["SpecialToken"])!;
            inner["type_id"] = 1;
            if (copy["Sequence"] is not null) inner["id"] = "B";
            return copy;
        }
    }
}
