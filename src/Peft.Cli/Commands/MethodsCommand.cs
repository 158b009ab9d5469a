using System.Reflection;

namespace Peft.Cli;

/// <summary><c>peft methods</c></summary>
internal static class MethodsCommand
{
    public static Command Create(PeftTool tool)
    {
        var name = new Argument<string>("method") { Description = "A method, for its settings.", HelpName = "method", Arity = ArgumentArity.ZeroOrOne };
        name.CompletionSources.Add(_ => AdapterMethods.Known.Keys.Select(method => new System.CommandLine.Completions.CompletionItem(method.ToLowerInvariant())));
        return tool.Command("methods", "Lists the fine-tuning methods, or the settings of one.", [name], context =>
        {
            if (context.Get(name) is { } method) One(context, method);
            else All(context);
        });
    }

    private static void All(ToolContext context)
    {
        var methods = AdapterMethods.Known.OrderBy(method => method.Key, StringComparer.Ordinal).Select(method => (Type: method.Key.ToLowerInvariant(), About: method.Value.GetCustomAttribute<MethodDescriptionAttribute>())).ToList();
        context.Result(methods.Select(method => new { Method = method.Type, method.About?.Name, method.About?.Formula, Source = method.About?.Source is { Length: > 0 } source ? source : null }),
            console => console.Rows(["method", "name", "formula", "source"], methods.Select(method => (string?[])[method.Type, method.About?.Name, method.About?.Formula, method.About?.Source])));
    }

    private static void One(ToolContext context, string method)
    {
        var type = MethodFlags.TypeOf(method);
        var defaults = type.GetConstructor(Type.EmptyTypes) is null ? null : Activator.CreateInstance(type);
        string[] filled = ["peft_type", "task_type", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version", nameof(AdapterOptions.Task)];
        var settings = Settings.Of(type).Where(each => !filled.Contains(each.Name)).OrderBy(each => each.Name, StringComparer.OrdinalIgnoreCase)
            .Select(each => new { each.Name, Property = each.Property.Name, Type = TypeName(each.Property.PropertyType), Default = defaults is null ? null : Text(each.Property.GetValue(defaults)) }).ToList();
        context.Result(new { Method = method.ToLowerInvariant(), Options = type.Name, Settings = settings },
            console => console.Rows(["--set name", "property", "type", "default"], settings.Select(each => (string?[])[each.Name, each.Property, each.Type, each.Default])));
    }

    private static string TypeName(Type type)
        => Nullable.GetUnderlyingType(type) is { } inner ? TypeName(inner)
            : type == typeof(int) || type == typeof(long) ? "int" : type == typeof(double) || type == typeof(float) ? "number" : type == typeof(bool) ? "true or false" : type == typeof(string) ? "text" : type == typeof(ModuleSelector) ? "modules"
            : type.IsEnum ? string.Join(", ", Enum.GetNames(type)) : type.IsGenericType && type.Name.Contains("Dictionary", StringComparison.Ordinal) ? "map" : type.IsGenericType ? "list" : type.Name;

    private static string? Text(object? value) => value switch
    {
        null => null,
        string text => text,
        IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        System.Collections.ICollection { Count: 0 } => null,
        System.Collections.IEnumerable items => string.Join(", ", items.Cast<object?>().Select(Text)) is { Length: > 0 } text ? text : null,
        _ => value.ToString(),
    };
}
