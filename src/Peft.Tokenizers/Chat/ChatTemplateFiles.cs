using System.Text.Json;
using Peft.Checkpoints;

namespace Peft.Tokenizers;

/// <summary>Finds the chat template of a model folder.</summary>
internal static class ChatTemplateFiles
{
    /// <summary>The folder's template; null if there is none.</summary>
    public static ChatTemplate? Find(string folder, ResourceLimits? limits)
    {
        FolderSave.Recover(folder);
        limits ??= ResourceLimits.Default;
        using var config = Json(Path.Combine(folder, "tokenizer_config.json"), limits);
        var templates = Templates(folder, config, limits);
        if (templates.Count == 0) return null;
        using var map = Json(Path.Combine(folder, "special_tokens_map.json"), limits);
        var tokens = new Dictionary<string, string>();
        foreach (var source in new[] { map, config }.OfType<JsonDocument>()) AddTokens(tokens, source.RootElement);
        try
        {
            return new(templates, tokens, limits);
        }
        catch (ChatTemplateException exception)
        {
            throw new ChatTemplateException($"The chat template of {Path.GetFullPath(folder)} cannot be read. {exception.Message}", exception);
        }
    }

    private static Dictionary<string, string> Templates(string folder, JsonDocument? config, ResourceLimits limits)
    {
        var templates = new Dictionary<string, string>();
        var file = Path.Combine(folder, "chat_template.jinja");
        if (SmallFile.Exists(file)) templates["default"] = Text(file, limits);
        var more = Path.Combine(folder, "additional_chat_templates");
        if (Directory.Exists(more))
            foreach (var path in Listed(more)) templates[Path.GetFileNameWithoutExtension(path)] = Text(path, limits);
        if (templates.Count > 0) return templates;

        file = Path.Combine(folder, "chat_template.json");
        using var own = Json(file, limits);
        if (own is not null) Add(templates, own.RootElement, file);
        if (templates.Count == 0 && config is not null) Add(templates, config.RootElement, Path.Combine(folder, "tokenizer_config.json"));
        return templates;
    }

    private static string[] Listed(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder, "*.jinja").Order(StringComparer.Ordinal)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ChatTemplateException($"{folder} cannot be read: {exception.Message}", exception);
        }
    }

    private static void Add(Dictionary<string, string> templates, JsonElement root, string file)
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

    private static void AddTokens(Dictionary<string, string> tokens, JsonElement root)
    {
        // A token is a string, or an object with properties. Fields such as add_bos_token are neither.
        foreach (var field in root.EnumerateObject().Where(field => field.Name.EndsWith("_token", StringComparison.Ordinal)))
        {
            var text = field.Value.ValueKind == JsonValueKind.Object ? TextOf(field.Value, "content") : field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString() : null;
            if (text is not null) tokens[field.Name] = text;
        }
    }

    private static string? TextOf(JsonElement element, string name)
        => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static JsonDocument? Json(string file, ResourceLimits limits)
        => SmallFile.Exists(file) ? StrictJson.Document(SmallFile.Read(file, limits.MaxTokenizerBytes, limits.Remedy(nameof(ResourceLimits.MaxTokenizerBytes), ChatTemplate.WhereLimitsAre), Failure), file, Failure) : null;

    // A character has up to four bytes.
    private static string Text(string file, ResourceLimits limits)
        => StrictJson.Text(SmallFile.Read(file, 4L * limits.MaxTemplateLength, limits.Remedy(nameof(ResourceLimits.MaxTemplateLength), ChatTemplate.WhereLimitsAre), Failure));

    private static ChatTemplateException Failure(string message, Exception? inner) => new(message, inner);
}
