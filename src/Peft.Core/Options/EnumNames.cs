using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Reads an enum member from text, by its name in code or in files (<see cref="JsonStringEnumMemberNameAttribute"/>), for binders of settings.</summary>
/// <typeparam name="T">The enum.</typeparam>
public sealed class EnumNames<T> : TypeConverter where T : struct, Enum
{
    private static readonly (T Value, string[] Names)[] Members = [.. typeof(T).GetFields().Where(field => field.IsLiteral)
        .Select(field => ((T)field.GetValue(null)!, new[] { field.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name, field.Name }.OfType<string>().ToArray()))];

    /// <inheritdoc/>
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The value is not text.</exception>
    /// <exception cref="FormatException">There is no such member.</exception>
    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value)
    {
        if (value is not string text) throw GetConvertFromException(value);
        foreach (var (member, names) in Members)
            if (names.Contains(text.Trim(), StringComparer.OrdinalIgnoreCase)) return member;
        throw new FormatException($"'{text}' is not a valid {typeof(T).Name}. Valid values: {string.Join(", ", Members.Select(member => member.Names[0]))}.");
    }
}
