using System.Collections;
using System.ComponentModel;
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
        var given = settings.Select(setting => (Property: Find(target.GetType(), setting.Key, source), setting.Value)).ToList();
        if (given.GroupBy(each => each.Property.Name).FirstOrDefault(same => same.Count() > 1) is { } twice) throw new ToolException($"{source}: {twice.Key} is given twice.");
        foreach (var (property, value) in given.Where(each => IsPlainList(each.Property.PropertyType))) property.SetValue(target, List(property, value, source));
        var pairs = given.Where(each => !IsPlainList(each.Property.PropertyType)).Select(each => KeyValuePair.Create(each.Property.Name, (string?)Form(each.Property.PropertyType, each.Value))).ToList();
        if (pairs.Count == 0) return target;
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
            throw new ToolException($"{source}: {Wrong(target.GetType().GetProperty(wrong.Key)!, wrong.Value!, cause)}", error);
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

    private static PropertyInfo Find(Type type, string name, string source)
    {
        var known = Of(type).ToList();
        return known.FirstOrDefault(each => Plain(each.Name) == Plain(name) || Plain(each.Property.Name) == Plain(name)).Property
            ?? throw new ToolException($"{source}: {type.Name} has no setting '{name}'. It has {string.Join(", ", known.Select(each => each.Name).Order(StringComparer.OrdinalIgnoreCase))}.");
    }

    // The form that converters of lists read.
    private static string Form(Type type, string value)
        => IsList(type) && value.Contains(',', StringComparison.Ordinal) && value.TrimStart() is not ['[' or '{', ..] && !value.Contains('(', StringComparison.Ordinal)
            ? new JsonArray([.. value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Item)]).ToJsonString()
            : value;

    // A list without a converter. The configuration would add to its default instead of replacing it.
    private static bool IsPlainList(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) && !TypeDescriptor.GetConverter(type).CanConvertFrom(typeof(string));

    private static IList List(PropertyInfo property, string value, string source)
    {
        var type = property.PropertyType.GetGenericArguments()[0];
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(type))!;
        foreach (var text in value.Trim('[', ']', ' ').Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(item => item.Trim('"')))
            try
            {
                list.Add(TypeDescriptor.GetConverter(type).ConvertFromInvariantString(text));
            }
            catch (Exception error) when (error is FormatException or ArgumentException or NotSupportedException)
            {
                throw new ToolException($"{source}: {Wrong(property, text, error)}", error);
            }
        return list;
    }

    private static string Wrong(PropertyInfo property, string value, Exception cause)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        if (IsPlainList(type)) type = type.GetGenericArguments()[0];
        var kind = type == typeof(int) || type == typeof(long) ? "a whole number" : type == typeof(double) || type == typeof(float) ? "a number" : type == typeof(bool) ? "true or false"
            : type.IsEnum && cause is FormatException or ArgumentException ? $"one of {string.Join(", ", Enum.GetNames(type))}" : null;
        if (cause.Message.StartsWith($"'{value}' is not", StringComparison.Ordinal)) return cause.Message;
        return kind is null ? $"'{value}' cannot be {property.Name}. {cause.Message}" : $"{property.Name} must be {kind}, but was '{value}'.";
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
