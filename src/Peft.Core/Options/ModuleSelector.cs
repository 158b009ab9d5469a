using System.Collections;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// Which modules an adapter enters, as Hugging Face PEFT reads <c>target_modules</c>: a list names modules by their path or its last
/// parts (<c>q_proj</c>, <c>self_attn.q_proj</c>); a single string is a regular expression for the whole path, or <c>all-linear</c>.
/// </summary>
[JsonConverter(typeof(Converter))]
[CollectionBuilder(typeof(ModuleSelector), nameof(Create))]
public sealed class ModuleSelector : IEnumerable<string>
{
    /// <summary>Every linear module except the model's head.</summary>
    public static ModuleSelector AllLinear { get; } = new("all-linear", []);

    private readonly string? pattern;
    private readonly string[] names;

    private ModuleSelector(string? pattern, string[] names)
    {
        this.pattern = pattern;
        this.names = names;
        if (pattern is not null && !IsAllLinear) NamePattern.IsMatch("", pattern);   // an error of the pattern shows where it is written
    }

    /// <summary>The names of a list; empty for a regular expression.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>The regular expression, or null for a list.</summary>
    public string? Pattern => pattern;

    internal bool IsAllLinear => string.Equals(pattern, "all-linear", StringComparison.OrdinalIgnoreCase);

    /// <summary>Modules by path or by its last parts.</summary>
    public static ModuleSelector Create(ReadOnlySpan<string> names) => new(null, names.ToArray());

    /// <summary>Modules whose whole path matches a regular expression, or <c>all-linear</c>.</summary>
    public static implicit operator ModuleSelector(string pattern) => new(pattern, []);

    /// <summary>Modules by path or by its last parts.</summary>
    public static implicit operator ModuleSelector(string[] names) => new(null, names);

    /// <summary>Whether a module is meant. <c>all-linear</c> is resolved by the model, not here.</summary>
    public bool Matches(string path) => pattern is null ? names.Any(name => Means(name, path)) : !IsAllLinear && NamePattern.IsMatch(path, pattern);

    /// <summary>Whether a name means a path: the path itself or its last parts.</summary>
    public static bool Means(string name, string path)
        => path.EndsWith(name, StringComparison.Ordinal)
           && (path.Length == name.Length || path[path.Length - name.Length - 1] == '.');

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)names).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public override string ToString() => pattern is null ? $"[{string.Join(", ", names)}]" : $"'{pattern}'";

    private sealed class Converter : JsonConverter<ModuleSelector>
    {
        public override ModuleSelector? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
            => reader.TokenType == JsonTokenType.String
                ? reader.GetString()!
                : JsonSerializer.Deserialize<string[]>(ref reader, options)!;

        public override void Write(Utf8JsonWriter writer, ModuleSelector value, JsonSerializerOptions options)
        {
            if (value.pattern is not null) writer.WriteStringValue(value.pattern);
            else JsonSerializer.Serialize(writer, value.names, options);
        }
    }
}
