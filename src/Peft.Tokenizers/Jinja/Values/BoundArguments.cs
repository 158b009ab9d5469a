namespace Peft.Tokenizers.Jinja;

/// <summary>The arguments of a function in the order of its parameters.</summary>
internal sealed class BoundArguments(string function, string[] parameters, object?[] values, bool[] given)
{
    public object? this[int index] => values[index];

    public bool Has(int index) => given[index];

    public string Text(int index) => Text(index, null) ?? throw Wrong(index, "a string");

    /// <summary>A string; the fallback if it is missing or None.</summary>
    public string? Text(int index, string? fallback) => values[index] switch
    {
        null => fallback,
        string text => text,
        _ => throw Wrong(index, "a string"),
    };

    /// <summary>An integer; the fallback if it is missing.</summary>
    public long Integer(int index, long fallback) => !given[index] ? fallback : values[index] switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        _ => throw Wrong(index, "an integer"),
    };

    public bool Flag(int index, bool fallback = false) => given[index] ? Truth.Of(values[index]) : fallback;

    private ChatTemplateException Wrong(int index, string expected)
        => values[index] is Undefined undefined ? undefined.Error() : new($"The argument '{parameters[index]}' of {function} must be {expected}, but is '{TypeName.Of(values[index])}'.");
}
