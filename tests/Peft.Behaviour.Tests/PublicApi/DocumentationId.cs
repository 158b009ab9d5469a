using System.Reflection;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>The id of a member in a documentation file: <c>M:Peft.PeftModel.Add(System.String,Peft.AdapterOptions)</c>.</summary>
internal static class DocumentationId
{
    public static string Of(MemberInfo member) => member switch
    {
        Type type => $"T:{Name(type)}",
        FieldInfo field => $"F:{Name(field.DeclaringType!)}.{field.Name}",
        EventInfo made => $"E:{Name(made.DeclaringType!)}.{made.Name}",
        PropertyInfo property => $"P:{Name(property.DeclaringType!)}.{property.Name}{List(property.GetIndexParameters())}",
        MethodInfo method => $"M:{Name(method.DeclaringType!)}.{method.Name}{(method.IsGenericMethod ? $"``{method.GetGenericArguments().Length}" : "")}{List(method.GetParameters())}{(method.Name.StartsWith("op_", StringComparison.Ordinal) ? $"~{Name(method.ReturnType)}" : "")}",
        _ => $"M:{Name(member.DeclaringType!)}.#ctor{List(((ConstructorInfo)member).GetParameters())}",
    };

    private static string List(ParameterInfo[] parameters) => parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(parameter => Name(parameter.ParameterType)))})";

    private static string Name(Type type)
    {
        if (type.IsByRef) return $"{Name(type.GetElementType()!)}@";
        if (type.IsArray) return $"{Name(type.GetElementType()!)}[{string.Join(',', Enumerable.Repeat("0:", type.GetArrayRank()).Where(_ => type.GetArrayRank() > 1))}]";
        if (type.IsPointer) return $"{Name(type.GetElementType()!)}*";
        if (type.IsGenericMethodParameter) return $"``{type.GenericParameterPosition}";
        if (type.IsGenericParameter) return $"`{type.GenericParameterPosition}";
        var name = type.IsNested ? $"{Name(type.DeclaringType!)}.{type.Name}" : $"{type.Namespace}.{type.Name}";
        return type.IsConstructedGenericType ? $"{name.Split('`')[0]}{{{string.Join(',', type.GetGenericArguments().Select(Name))}}}" : name;
    }
}
