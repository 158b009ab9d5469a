using System.Collections;

namespace Peft.Tokenizers.Jinja;

/// <summary>A list, tuple or range.</summary>
internal abstract class PySequence : IReadOnlyList<object?>
{
    public abstract int Count { get; }

    public abstract object? this[int index] { get; }

    // By index, as a list may grow while it is iterated.
    public IEnumerator<object?> GetEnumerator()
    {
        for (var i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal sealed class PyList(List<object?> items) : PySequence
{
    public List<object?> Items => items;

    public override int Count => items.Count;

    public override object? this[int index] => items[index];
}

internal sealed class PyTuple(List<object?> items) : PySequence
{
    public override int Count => items.Count;

    public override object? this[int index] => items[index];
}

internal sealed class PyRange(long start, long stop, long step) : PySequence
{
    // The limit of Jinja's sandbox.
    public const int MostItems = 100_000;

    public override int Count { get; } = Length(start, stop, step);

    public long Start => start;

    public long Stop => stop;

    public long Step => step;

    public override object? this[int index] => start + index * step;

    private static int Length(long start, long stop, long step)
    {
        if (step == 0) throw new ChatTemplateException("range() needs a step other than 0.");
        var length = step > 0 ? ((Int128)stop - start + step - 1) / step : ((Int128)start - stop - step - 1) / -(Int128)step;
        if (length > MostItems) throw new ChatTemplateException($"range() is limited to {MostItems:N0} items.");
        return (int)Int128.Max(0, length);
    }
}

/// <summary>An iterator that can be consumed once, such as the result of the filter <c>map</c>. Like Python's generators it is true and has no length.</summary>
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

/// <summary>A view of the keys, values or items of a dict, evaluated when it is iterated.</summary>
internal sealed class PyDictView(string kind, PyDict dict, Func<KeyValuePair<object?, object?>, object?> choose) : IEnumerable<object?>
{
    public string Kind => kind;

    public int Count => dict.Count;

    public IEnumerator<object?> GetEnumerator() => dict.ToList().Select(choose).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>The result of <c>namespace()</c>: attributes that can be set inside loops.</summary>
internal sealed class Namespace(Dictionary<string, object?> values)
{
    public Dictionary<string, object?> Values => values;
}
