namespace Peft.Tokenizers.Jinja;

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
