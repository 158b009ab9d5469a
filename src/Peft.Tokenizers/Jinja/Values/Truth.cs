namespace Peft.Tokenizers.Jinja;

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
