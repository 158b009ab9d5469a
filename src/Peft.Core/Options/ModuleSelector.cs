using System.Collections;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

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
    private readonly Regex? regex;

    private ModuleSelector(string? pattern, string[] names)
    {
        this.pattern = pattern;
        this.names = names;
        if (pattern is not null && !IsAllLinear) regex = FullMatch(pattern);
    }

    /// <summary>The names of a list; empty for a regular expression.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>The regular expression, or null for a list.</summary>
    public string? Pattern => pattern;

    internal bool IsAllLinear => string.Equals(pattern, "all-linear", StringComparison.OrdinalIgnoreCase);

    /// <summary>Modules by path or by its last parts.</summary>
    public static ModuleSelector Create(ReadOnlySpan<string> names) => new(null, names.ToArray());

    /// <summary>Modules whose whole path matches a regular expression, or <c>all-linear</c>.</summary>
    public static implicit operator ModuleSelector(string pattern) => new(pattern ?? throw new ArgumentNullException(nameof(pattern), "The name of the modules is null: leave the targets out for a method's usual ones."), []);

    /// <summary>Modules by path or by its last parts.</summary>
    public static implicit operator ModuleSelector(string[] names) => new(null, names ?? throw new ArgumentNullException(nameof(names), "The names of the modules are null: leave the targets out for a method's usual ones."));

    /// <summary>Whether a module is meant. <c>all-linear</c> is resolved by the model, not here.</summary>
    public bool Matches(string path) => regex?.IsMatch(path) ?? names.Any(name => Means(name, path));

    /// <summary>Whether a name means a path: the path itself or its last parts.</summary>
    public static bool Means(string name, string path)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(path);
        return path.EndsWith(name, StringComparison.Ordinal)
           && (path.Length == name.Length || path[path.Length - name.Length - 1] == '.');
    }

    /// <summary>A pattern of Python's <c>re.fullmatch</c>, guarded against patterns that take for ever.</summary>
    internal static Regex FullMatch(string pattern)
    {
        try
        {
            return new Regex($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException error)
        {
            throw new AdapterOptionsException($"'{pattern}' is not a regular expression: {error.Message}");
        }
    }

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
