using System.Globalization;
using System.Reflection;

namespace Peft;

/// <summary>
/// A rule for the value of an option, such as <see cref="AtLeastAttribute"/>. <see cref="AdapterOptions.Validate"/> checks the rules of all public properties.
/// Rules are not applied to null, which is valid if the type allows it. In a map, the rule applies to each value.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public abstract class OptionRuleAttribute : Attribute
{
    /// <summary>The requirement, as it follows "must" in an error: <c>be at least 1</c>.</summary>
    protected abstract string Requirement { get; }

    /// <summary>True if the value satisfies the rule.</summary>
    /// <param name="value">The value, never null.</param>
    protected abstract bool Allows(object value);

    /// <summary>Converts a value to a number, for comparisons.</summary>
    /// <param name="value">A number of any type.</param>
    protected static double Number(object value) => Convert.ToDouble(value, CultureInfo.InvariantCulture);

    /// <summary>Returns the error message for a value that violates the rule.</summary>
    /// <param name="name">Name of the option.</param>
    /// <param name="value">The value, never null.</param>
    protected virtual string ErrorOf(string name, object value) => $"{name} must {Requirement}, but was {(value is string ? $"'{value}'" : value)}.";

    /// <summary>Returns one sentence for each option that violates its rule, or whose value is not a member of its enumeration.</summary>
    internal static IEnumerable<string> Errors(object options)
        => options.GetType().GetProperties().Where(property => property.GetIndexParameters().Length == 0).SelectMany(property => Errors(property, options));

    private static IEnumerable<string> Errors(PropertyInfo property, object options)
    {
        var rules = property.GetCustomAttributes<OptionRuleAttribute>().ToList();
        var isEnum = (Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType).IsEnum;
        if (rules.Count == 0 && !isEnum || property.GetValue(options) is not { } value) return [];
        if (isEnum && !Enum.IsDefined(value.GetType(), value)) return [$"{property.Name} must be {Choice.Of(Enum.GetNames(value.GetType()))}, but was {value}."];
        return Named(property.Name, value).SelectMany(each => rules.Where(rule => !rule.Allows(each.Value)).Select(rule => rule.ErrorOf(each.Name, each.Value)));
    }

    private static IEnumerable<(string Name, object Value)> Named(string name, object value) => value switch
    {
        IEnumerable<KeyValuePair<string, int>> map => map.Select(each => ($"{name}['{each.Key}']", (object)each.Value)),
        IEnumerable<KeyValuePair<string, double>> map => map.Select(each => ($"{name}['{each.Key}']", (object)each.Value)),
        _ => [(name, value)],
    };
}
