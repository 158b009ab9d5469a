using System.Reflection;
using Peft.Models;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Everything that a user of the packages can call.</summary>
internal static class ApiMembers
{
    private static readonly Assembly[] Packages =
    [
        typeof(PeftException).Assembly, typeof(HubClient).Assembly, typeof(Dataset).Assembly, typeof(Tokenizer).Assembly, typeof(PeftModel).Assembly, typeof(LoraOptions).Assembly, typeof(Ia3Options).Assembly, typeof(PrefixTuningOptions).Assembly, typeof(CausalLM).Assembly, typeof(Report.HtmlReport).Assembly,
    ];

    /// <summary>The public types, those that are nested included.</summary>
    public static IEnumerable<Type> Types => Packages.SelectMany(package => package.GetExportedTypes()).Where(type => !typeof(Delegate).IsAssignableFrom(type)).Select(Close).OrderBy(type => type.FullName, StringComparer.Ordinal);

    public static bool IsOurs(Type type) => Packages.Contains(type.Assembly);

    /// <summary>Constructors, methods, and what reads and sets properties.</summary>
    public static IEnumerable<MethodBase> Of(Type type)
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        var constructors = type.IsAbstract ? [] : type.GetConstructors();
        var methods = type.GetMethods(Declared).Where(method => !method.IsAbstract && method.Name != "<Clone>$").Select(Close);
        return constructors.Cast<MethodBase>().Concat(methods).Where(member => !member.GetParameters().Any(parameter => Bare(parameter.ParameterType).IsByRefLike));
    }

    /// <summary>A type without <c>ref</c>.</summary>
    public static Type Bare(Type type) => type.IsByRef ? type.GetElementType()! : type;

    public static string Name(MethodBase member)
        => $"{member.DeclaringType!.Name}.{member.Name}({string.Join(", ", member.GetParameters().Select(parameter => $"{Bare(parameter.ParameterType).Name} {parameter.Name}"))})";

    private static Type Close(Type type) => type.IsGenericTypeDefinition ? type.MakeGenericType([.. type.GetGenericArguments().Select(Argument)]) : type;

    private static MethodInfo Close(MethodInfo method) => method.IsGenericMethodDefinition ? method.MakeGenericMethod([.. method.GetGenericArguments().Select(Argument)]) : method;

    // What a type parameter stands for: a class where the constraints ask for one, else a number.
    private static Type Argument(Type parameter)
        => parameter.GetGenericParameterConstraints() is [var constraint, ..] && constraint != typeof(ValueType) ? constraint == typeof(Enum) ? typeof(DayOfWeek) : constraint
            : parameter.GenericParameterAttributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint) ? typeof(string) : typeof(int);
}
