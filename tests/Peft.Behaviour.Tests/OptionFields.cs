using System.Reflection;
using System.Text.Json.Serialization;

namespace Peft.Behaviour.Tests;

/// <summary>A field of a method's <c>adapter_config.json</c> that the method itself defines.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Its type in the options.</param>
internal sealed record OptionFields(string Name, Type Type)
{
    public static IEnumerable<OptionFields> Of(string method)
        => from property in AdapterMethods.Known[method].GetProperties(BindingFlags.Instance | BindingFlags.Public)
           where property.DeclaringType != typeof(AdapterOptions) && property.DeclaringType != typeof(TargetedOptions) && property.CanWrite
           let name = property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name
           where name is not null
           orderby name
           select new OptionFields(name, property.PropertyType);

    /// <summary>The methods with those of their fields that a test is about.</summary>
    public static TheoryData<string, string> Where(Func<OptionFields, bool> chosen)
    {
        var data = new TheoryData<string, string>();
        foreach (var method in Sample.Methods)
            foreach (var option in Of(method).Where(chosen)) data.Add(method, option.Name);
        return data;
    }

    public bool Is(Type type) => (Nullable.GetUnderlyingType(Type) ?? Type) == type;

    public bool IsEnum => (Nullable.GetUnderlyingType(Type) ?? Type).IsEnum;
}
