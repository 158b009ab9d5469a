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

/// <summary>Python's truth value.</summary>
internal static class Truth
{
    public static bool Of(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        PySequence sequence => sequence.Count > 0,
        PyDict dict => dict.Count > 0,
        PyDictView view => view.Count > 0,
        _ => true,
    };
}

/// <summary>Iterates values as Python does.</summary>
internal static class Iteration
{
    public static IEnumerable<object?> Of(object? value) => value switch
    {
        string text => PythonText.Characters(text),
        PyDict dict => dict.Keys.ToList(),
        IEnumerable<object?> items => items,
        LoopState loop => loop.Rest(),
        Undefined => [],
        _ => throw new ChatTemplateException($"'{TypeName.Of(value)}' object is not iterable."),
    };

    public static bool IsPossible(object? value) => value is string or PyDict or IEnumerable<object?> or Undefined or LoopState;

    /// <summary>Python's <c>len</c>.</summary>
    public static long Length(RenderRun run, object? value)
    {
        if (value is string) run.Look(value);
        return value switch
        {
            string text => PythonText.Length(text),
            PySequence sequence => sequence.Count,
            PyDict dict => dict.Count,
            PyDictView view => view.Count,
            LoopState loop => loop.Length,
            Undefined => 0,
            _ => throw new ChatTemplateException($"An object of type '{TypeName.Of(value)}' has no length."),
        };
    }
}
