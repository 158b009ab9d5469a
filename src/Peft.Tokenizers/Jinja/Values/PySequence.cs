using System.Collections;

namespace Peft.Tokenizers.Jinja;

/// <summary>A list, tuple or range.</summary>
internal abstract class PySequence : IReadOnlyList<object?>
{
    public abstract int Count { get; }

    public abstract object? this[int index] { get; }

    // By index, because a list may grow while it is iterated.
    public IEnumerator<object?> GetEnumerator()
    {
        for (var i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
