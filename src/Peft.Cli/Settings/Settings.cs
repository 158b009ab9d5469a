using System.Collections;
using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Configuration;

namespace Peft.Cli;

/// <summary>Sets the properties of option records from texts (<c>name=value</c>), as <c>appsettings.json</c> would.</summary>
internal static class Settings
{
    /// <summary>An object with the given properties set.</summary>
    /// <param name="target">The object, which is changed.</param>
    /// <param name="settings">Names of properties, or their names in Hugging Face's files, with values. A list is <c>a,b</c> or JSON.</param>
    /// <param name="source">The option that the settings come from, for messages.</param>
    /// <exception cref="ToolException">A name or value is invalid.</exception>
    public static T Apply<T>(T target, IEnumerable<KeyValuePair<string, string>> settings, string source) where T : class
    {
        var pairs = settings.Select(setting => Pair(target.GetType(), setting, source)).ToList();
        if (pairs.Count == 0) return target;
        if (pairs.GroupBy(pair => pair.Key).FirstOrDefault(same => same.Count() > 1) is { } twice) throw new ToolException($"{source}: {twice.Key} is given twice.");
        try
        {
            new ConfigurationBuilder().Add(new Given(pairs)).Build().Bind(target, binder => binder.ErrorOnUnknownConfiguration = true);
            return target;
        }
        catch (Exception error) when (error is InvalidOperationException or TargetInvocationException)
        {
            var cause = error;
            while (cause.InnerException is { } inner) cause = inner;
            var wrong = pairs.FirstOrDefault(pair => error.Message.Contains($"'{pair.Key}'", StringComparison.Ordinal)) is { Key: not null } named ? named : pairs[0];
            throw new ToolException($"{source}: '{wrong.Value}' cannot be {wrong.Key}. {cause.Message}", error);
        }
    }

    /// <summary>Splits <c>name=value</c>.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Split(IEnumerable<string>? texts, string source)
        => (texts ?? []).Select(text => text.IndexOf('=', StringComparison.Ordinal) is > 0 and var at ? KeyValuePair.Create(text[..at].Trim(), text[(at + 1)..])
            : throw new ToolException($"{source} takes name=value, but was given '{text}'."));

    /// <summary>The properties that can be set, by their names in Hugging Face's files where they have one.</summary>
    public static IEnumerable<(string Name, PropertyInfo Property)> Of(Type type)
        => type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.SetMethod is { IsPublic: true } && property.GetIndexParameters().Length == 0 && property.GetCustomAttribute<JsonExtensionDataAttribute>() is null)
            .Select(property => (property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? property.Name, property));

    private static KeyValuePair<string, string?> Pair(Type type, KeyValuePair<string, string> setting, string source)
    {
        var known = Of(type).ToList();
        var found = known.FirstOrDefault(each => Plain(each.Name) == Plain(setting.Key) || Plain(each.Property.Name) == Plain(setting.Key));
        if (found.Property is null)
            throw new ToolException($"{source}: {type.Name} has no setting '{setting.Key}'. It has {string.Join(", ", known.Select(each => each.Name).Order(StringComparer.OrdinalIgnoreCase))}.");
        return new(found.Property.Name, IsList(found.Property.PropertyType) && setting.Value.Contains(',', StringComparison.Ordinal) && setting.Value.TrimStart() is not ['[' or '{', ..] && !setting.Value.Contains('(', StringComparison.Ordinal)
            ? new JsonArray([.. setting.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Item)]).ToJsonString()
            : setting.Value);
    }

    private static JsonValue Item(string text) => double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number) : JsonValue.Create(text);

    private static bool IsList(Type type) => type == typeof(ModuleSelector) || (type != typeof(string) && type.IsAssignableTo(typeof(IEnumerable)) && !type.Name.Contains("Dictionary", StringComparison.Ordinal));

    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToUpperInvariant();

    private sealed class Given(IEnumerable<KeyValuePair<string, string?>> pairs) : IConfigurationSource
    {
        public IConfigurationProvider Build(IConfigurationBuilder builder) => new Provider(pairs);

        private sealed class Provider : ConfigurationProvider
        {
            public Provider(IEnumerable<KeyValuePair<string, string?>> pairs)
            {
                foreach (var (name, value) in pairs) Data[name] = value;
            }
        }
    }
}
