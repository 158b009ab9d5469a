using System.Text.Json;
using Peft.Checkpoints;

namespace Peft.Models;

/// <summary>Finds the chat template of a model's folder.</summary>
internal static class ChatTemplateFiles
{
    // The largest published template has some 100 KB.
    const long LargestTemplate = 4 << 20;

    /// <summary>The folder's template; null if there is none.</summary>
    public static ChatTemplate? Find(string folder)
    {
        FolderSave.Recover(folder);
        using var config = Json(Path.Combine(folder, "tokenizer_config.json"));
        var templates = Templates(folder, config);
        if (templates.Count == 0) return null;
        using var map = Json(Path.Combine(folder, "special_tokens_map.json"));
        var tokens = new Dictionary<string, string>();
        foreach (var source in new[] { map, config }.OfType<JsonDocument>()) AddTokens(tokens, source.RootElement);
        try
        {
            return new(templates, tokens);
        }
        catch (ChatTemplateException exception)
        {
            throw new ChatTemplateException($"The chat template of {Path.GetFullPath(folder)} cannot be read. {exception.Message}", exception);
        }
    }

    static Dictionary<string, string> Templates(string folder, JsonDocument? config)
    {
        var templates = new Dictionary<string, string>();
        var file = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(file)) templates["default"] = Text(file);
        var more = Path.Combine(folder, "additional_chat_templates");
        if (Directory.Exists(more))
            foreach (var path in Directory.EnumerateFiles(more, "*.jinja").Order(StringComparer.Ordinal)) templates[Path.GetFileNameWithoutExtension(path)] = Text(path);
        if (templates.Count > 0) return templates;

        file = Path.Combine(folder, "chat_template.json");
        using var own = Json(file);
        if (own is not null) Add(templates, own.RootElement, file);
        if (templates.Count == 0 && config is not null) Add(templates, config.RootElement, Path.Combine(folder, "tokenizer_config.json"));
        return templates;
    }

    static void Add(Dictionary<string, string> templates, JsonElement root, string file)
    {
        if (!root.TryGetProperty("chat_template", out var template) || template.ValueKind == JsonValueKind.Null) return;
        if (template.ValueKind == JsonValueKind.String)
        {
            templates["default"] = template.GetString()!;
            return;
        }
        foreach (var item in template.ValueKind == JsonValueKind.Array ? template.EnumerateArray() : throw Wrong())
        {
            if (item.ValueKind != JsonValueKind.Object || TextOf(item, "name") is not { } name || TextOf(item, "template") is not { } text) throw Wrong();
            templates[name] = text;
        }

        ChatTemplateException Wrong() => new($"{file}: chat_template must be a string, or a list of objects with 'name' and 'template'.");
    }

    static void AddTokens(Dictionary<string, string> tokens, JsonElement root)
    {
        // A token is a string, or an object with rules; add_bos_token and the like are neither.
        foreach (var field in root.EnumerateObject().Where(field => field.Name.EndsWith("_token", StringComparison.Ordinal)))
        {
            var text = field.Value.ValueKind == JsonValueKind.Object ? TextOf(field.Value, "content") : field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString() : null;
            if (text is not null) tokens[field.Name] = text;
        }
    }

    static string? TextOf(JsonElement element, string name)
        => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    static JsonDocument? Json(string file)
    {
        if (!File.Exists(file)) return null;
        try
        {
            using var stream = File.OpenRead(file);
            var document = JsonDocument.Parse(stream);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            document.Dispose();
            throw new ChatTemplateException($"{file} is not a JSON object.");
        }
        catch (JsonException exception)
        {
            throw new ChatTemplateException($"{file} is not valid JSON, perhaps truncated: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ChatTemplateException($"{file} cannot be read: {exception.Message}", exception);
        }
    }

    static string Text(string file)
    {
        try
        {
            return new FileInfo(file).Length <= LargestTemplate ? File.ReadAllText(file) : throw new ChatTemplateException($"{file} has more than {LargestTemplate >> 20} MB: it is not a chat template.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ChatTemplateException($"{file} cannot be read: {exception.Message}", exception);
        }
    }
}
