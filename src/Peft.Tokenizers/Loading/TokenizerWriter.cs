using System.Text.Encodings.Web;
using System.Text.Json.Nodes;
using System.Text.Json;
using Peft.Checkpoints;

namespace Peft.Tokenizers;

/// <summary>Writes a tokenizer's files: those from which it was read, plus the tokens that were added since.</summary>
internal static class TokenizerWriter
{
    public const string Main = "tokenizer.json", Config = "tokenizer_config.json";

    private static readonly string[] Companions =
    [
        Config, "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "vocab.json", "merges.txt", "vocab.txt", .. SentencePieceFiles.Names,
    ];

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes all files of a tokenizer. Crash-safe: at any time the folder contains either all old or all new files.</summary>
    /// <param name="source">The file from which the tokenizer was read.</param>
    /// <param name="trained">The files of a trained tokenizer, by name; null if it was read.</param>
    /// <param name="folder">The destination folder.</param>
    /// <param name="added">All added tokens if there are more than in the files; otherwise null.</param>
    public static void Write(string source, IReadOnlyDictionary<string, byte[]>? trained, string folder, AddedVocabulary? added)
    {
        var isModel = trained is null && !Path.GetExtension(source).Equals(".json", StringComparison.OrdinalIgnoreCase);
        var contents = trained?.ToDictionary() ?? ReadAll(source, isModel);
        if (added is not null)
        {
            var edited = isModel ? Config : Main;
            contents[edited] = Edit(contents.GetValueOrDefault(edited), edited, root =>
            {
                // For a SentencePiece model, the configuration lists the tokens by id.
                if (isModel) root["added_tokens_decoder"] = new JsonObject(added.Entries.Select(entry => KeyValuePair.Create<string, JsonNode?>($"{entry.Id}", Describe(entry.Token))));
                else root["added_tokens"] = new JsonArray([.. added.Entries.Select(entry => Describe(entry.Token, entry.Id))]);
            });
        }
        using var save = FolderSave.Begin(folder);
        foreach (var (name, content) in contents) save.Write(name, stream => stream.Write(content), content.Length);
        save.Commit();
    }

    private static Dictionary<string, byte[]> ReadAll(string source, bool isModel)
    {
        var contents = new Dictionary<string, byte[]> { [isModel ? Path.GetFileName(source) : Main] = Read(source) };
        foreach (var name in Companions)
        {
            var path = Path.Combine(Path.GetDirectoryName(source)!, name);
            if (File.Exists(path)) contents.TryAdd(name, Read(path));
        }
        return contents;
    }

    private static byte[] Edit(byte[]? json, string name, Action<JsonObject> edit)
    {
        var root = json is null ? [] : StrictJson.Object(json, name, (message, inner) => new TokenizerException(message, inner));
        edit(root);
        return JsonSerializer.SerializeToUtf8Bytes(root, Readable);
    }

    /// <summary>The JSON object of an added token.</summary>
    public static JsonObject Describe(AddedToken token, int? id = null)
    {
        var result = new JsonObject();
        if (id is not null) result["id"] = id;
        result["content"] = token.Content;
        result["single_word"] = token.SingleWord;
        result["lstrip"] = token.StripLeft;
        result["rstrip"] = token.StripRight;
        result["normalized"] = token.Normalized;
        result["special"] = token.Special;
        return result;
    }

    private static byte[] Read(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{path}, the source of the tokenizer, is needed to save it but can no longer be read: {exception.Message}", exception);
        }
    }
}
