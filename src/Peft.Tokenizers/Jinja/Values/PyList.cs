namespace Peft.Tokenizers.Jinja;

internal sealed class PyList(List<object?> items) : PySequence
{
    public List<object?> Items => items;

    public override int Count => items.Count;

    public override object? this[int index] => items[index];
}
