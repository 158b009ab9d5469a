namespace Peft.Tokenizers.Jinja;

internal sealed class PyTuple(List<object?> items) : PySequence
{
    public override int Count => items.Count;

    public override object? this[int index] => items[index];
}
