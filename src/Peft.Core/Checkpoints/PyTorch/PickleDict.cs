namespace Peft.Checkpoints;

/// <summary>A dictionary of a pickle, in the order of insertion.</summary>
internal sealed class PickleDict
{
    private List<(object? Key, object? Value)>? items;

    public List<(object? Key, object? Value)> Items => items ??= [];   // lazy, because a malicious file may contain millions of empty dictionaries
}
