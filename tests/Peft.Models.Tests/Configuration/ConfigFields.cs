using System.Text.Json.Nodes;

namespace Peft.Models.Tests;

/// <summary>
/// A field of transformers' configuration class of an architecture, from <c>Data/configs/fields.json</c>: what it does, the class's default
/// ("required" where this library asks for it), another value, and fields to set with both where it has no effect alone.
/// </summary>
internal sealed record ConfigField(string Name, string Kind, JsonNode? Default, JsonNode? Other, JsonObject? Context);

/// <summary>The fields of <c>Data/configs/fields.json</c>.</summary>
internal static class ConfigFields
{
    private static readonly JsonObject All = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "configs", "fields.json")))!.AsObject();

    public static IEnumerable<string> ModelTypes => All["models"]!.AsObject().Select(pair => pair.Key);

    public static IEnumerable<ConfigField> Of(string modelType)
        => All["models"]![modelType]!["fields"]!.AsObject().Concat(All["common"]!.AsObject()).Select(pair => new ConfigField(
            pair.Key, pair.Value![0]!.GetValue<string>(), pair.Value[1], pair.Value[2], pair.Value.AsArray().Count > 3 ? pair.Value[3]!.AsObject() : null));

    public static ConfigField Of(string modelType, string name) => Of(modelType).Single(field => field.Name == name);

    /// <summary>A small model's configuration, as transformers 5.12.1 wrote it.</summary>
    public static ModelConfig Base(string modelType)
        => ModelConfig.FromFolder(Reference.Folder(All["models"]![modelType]!["base"]!.GetValue<string>())).With("model_type", modelType);

    /// <summary>The configuration in which the field's values are compared; a context of null takes a field out.</summary>
    public static ModelConfig InContext(string modelType, ConfigField field)
    {
        var config = Base(modelType);
        foreach (var (name, value) in field.Context ?? []) config = value is null ? config.Without(name) : config.With(name, value);
        return config;
    }
}
