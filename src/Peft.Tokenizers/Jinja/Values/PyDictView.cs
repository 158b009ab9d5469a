using System.Collections;

namespace Peft.Tokenizers.Jinja;

/// <summary>A view of the keys, values or items of a dict, evaluated when it is iterated.</summary>
internal sealed class PyDictView(string kind, PyDict dict, Func<KeyValuePair<object?, object?>, object?> choose) : IEnumerable<object?>
{
    public string Kind => kind;

    public int Count => dict.Count;

    public IEnumerator<object?> GetEnumerator() => dict.ToList().Select(choose).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
