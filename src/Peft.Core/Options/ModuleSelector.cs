using System.Collections;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// Selects the modules that an adapter adapts, with the semantics of Hugging Face PEFT's <c>target_modules</c>: a list contains paths or their last
/// parts (<c>q_proj</c>, <c>self_attn.q_proj</c>); a single string is a regular expression for the full path, or <c>all-linear</c>.
/// </summary>
[JsonConverter(typeof(Converter))]
[TypeConverter(typeof(TextConverter<ModuleSelector>))]
[CollectionBuilder(typeof(ModuleSelector), nameof(Create))]
[SuppressMessage("Naming", "CA1710", Justification = "Only binders of settings use it as a collection.")]
public sealed class ModuleSelector : ICollection<string>
{
    /// <summary>All linear modules except the model's head.</summary>
    public static ModuleSelector AllLinear { get; } = new("all-linear", []);

    private readonly string? pattern;
    private readonly bool isBound;
    private string[] names;

    /// <summary>Creates a selector without names, for binders of settings (<c>IConfiguration</c>), which add them.</summary>
    public ModuleSelector() => (names, isBound) = ([], true);

    private ModuleSelector(string? pattern, string[] names)
    {
        this.pattern = pattern;
        this.names = Checked(names);
        if (pattern is not null && !IsAllLinear) NamePattern.IsMatch("", pattern);   // throws early if the pattern is invalid
    }

    /// <summary>The names of a list; empty for a regular expression.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>The regular expression, or null for a list.</summary>
    public string? Pattern => pattern;

    internal bool IsAllLinear => string.Equals(pattern, "all-linear", StringComparison.OrdinalIgnoreCase);

    /// <summary>Selects modules by path or by the last parts of the path.</summary>
    /// <exception cref="AdapterOptionsException">A name is null.</exception>
    public static ModuleSelector Create(ReadOnlySpan<string> names) => new(null, names.ToArray());

    /// <summary>Selects modules whose full path matches a regular expression, or <c>all-linear</c>.</summary>
    /// <exception cref="ArgumentNullException">The text is null.</exception>
    /// <exception cref="AdapterOptionsException">The text is not a regular expression.</exception>
    public static implicit operator ModuleSelector(string pattern)
        => pattern is null ? throw Missing(nameof(pattern)) : new(pattern, []);

    /// <summary>Selects modules by path or by the last parts of the path.</summary>
    /// <exception cref="ArgumentNullException">The list is null.</exception>
    /// <exception cref="AdapterOptionsException">A name is null.</exception>
    public static implicit operator ModuleSelector(string[] names) => names is null ? throw Missing(nameof(names)) : new(null, names);

    /// <summary>True if a module is selected. <c>all-linear</c> is resolved by the model, not by this method.</summary>
    public bool Matches(string path) => pattern is null ? names.Any(name => Means(name, path)) : !IsAllLinear && NamePattern.IsMatch(path, pattern);

    /// <summary>True if a name is a path or its last parts.</summary>
    public static bool Means(string name, string path)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(path);
        return path.EndsWith(name, StringComparison.Ordinal)
           && (path.Length == name.Length || path[path.Length - name.Length - 1] == '.');
    }

    private static ArgumentNullException Missing(string parameter)
        => new(parameter, "The names of modules are null. Pass names, pass a regular expression for their paths, or omit the option for its default.");

    private static string[] Checked(string[] names)
    {
        // The empty name is the path of the model itself, which may be a single linear module.
        var missing = Array.IndexOf(names, null);
        return missing < 0 ? names : throw new AdapterOptionsException($"Name {missing} of the modules [{string.Join(", ", names.Select(name => name ?? "null"))}] is null: remove it.");
    }

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)names).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // Members that binders of settings use.
    void ICollection<string>.Add(string item) => names = isBound ? Checked([.. names, item]) : throw new NotSupportedException($"The modules {this} cannot be changed: set the option again.");
    void ICollection<string>.Clear() => throw new NotSupportedException();
    bool ICollection<string>.Remove(string item) => throw new NotSupportedException();
    bool ICollection<string>.Contains(string item) => names.Contains(item);
    void ICollection<string>.CopyTo(string[] array, int arrayIndex) => names.CopyTo(array, arrayIndex);
    int ICollection<string>.Count => names.Length;
    bool ICollection<string>.IsReadOnly => !isBound;

    /// <inheritdoc/>
    public override string ToString() => pattern is null ? $"[{string.Join(", ", names)}]" : $"'{pattern}'";

    private sealed class Converter : JsonConverter<ModuleSelector>
    {
        public override ModuleSelector? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            try
            {
                return reader.TokenType == JsonTokenType.String ? reader.GetString()! : JsonSerializer.Deserialize<string[]>(ref reader, options)!;
            }
            catch (AdapterOptionsException error)
            {
                throw new JsonException(error.Message, error);   // the JSON reader adds the field to the message
            }
        }

        public override void Write(Utf8JsonWriter writer, ModuleSelector value, JsonSerializerOptions options)
        {
            if (value.pattern is not null) writer.WriteStringValue(value.pattern);
            else JsonSerializer.Serialize(writer, value.names, options);
        }
    }
}
