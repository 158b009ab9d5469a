namespace Peft.Tokenizers.Jinja;

/// <summary>Python's type names, for error messages.</summary>
internal static class TypeName
{
    public static string Of(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long => "int",
        double => "float",
        string => "str",
        PyList => "list",
        PyTuple => "tuple",
        PyRange => "range",
        PyDict => "dict",
        PyDictView view => view.Kind,
        PyGenerator generator => generator.Kind,
        Namespace => "Namespace",
        LoopState => "LoopContext",
        Macro => "Macro",
        ICallable => "function",
        Undefined => "Undefined",
        _ => value.GetType().Name,
    };
}
