using System.Collections;

namespace Peft.Tokenizers.Jinja;

/// <summary>An iterator that can be consumed once, such as the result of the <c>map</c> filter. Like Python's generators, it is true and has no length.</summary>
internal sealed class PyGenerator(IEnumerable<object?> items, string kind = "generator") : IEnumerable<object?>
{
    private readonly IEnumerator<object?> items = items.GetEnumerator();

    public string Kind => kind;

    public IEnumerator<object?> GetEnumerator()
    {
        while (items.MoveNext()) yield return items.Current;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
