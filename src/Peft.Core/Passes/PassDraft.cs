using static TorchSharp.torch;

namespace Peft;

/// <summary>What is said about a pass: by the model (<see cref="PeftModel.Activate(string[])"/>), then by scopes from the outermost to the innermost, each of which may say otherwise.</summary>
internal sealed record PassDraft
{
    /// <summary>The active adapters, the innermost first; those of rows in the order of their first rows.</summary>
    public IReadOnlyList<Adapter> Adapters { get; private set; } = [];

    /// <summary>How they act together; null for none.</summary>
    public Composition? Composition { get; private set; }

    /// <summary>The adapters of <see cref="Composition"/> by the names that it has.</summary>
    public IReadOnlyDictionary<string, Adapter> ByName { get; private set; } = new Dictionary<string, Adapter>();

    /// <summary>An adapter for each row, null for none; null if all rows have the same.</summary>
    public IReadOnlyList<Adapter?>? Rows { get; private set; }

    /// <summary>Whether adapters act at all.</summary>
    public bool AreEnabled { get; private set; } = true;

    /// <summary>Whether they are left out of a module.</summary>
    public Func<Target, bool> IsDropped { get; private set; } = _ => false;

    /// <summary>The index of each row's task, or one for all; null if none was given.</summary>
    public IReadOnlyList<int>? Tasks { get; set; }

    /// <summary>Sees the inputs of modules.</summary>
    public Action<Target, Tensor>? Observer { get; set; }

    /// <summary>One composition of adapters for all rows.</summary>
    public void Use(Composition? composition, IReadOnlyDictionary<string, Adapter> adapters)
        => (Composition, ByName, Adapters, Rows, AreEnabled) = (composition, adapters, [.. (composition?.Names ?? []).Select(name => adapters[name])], null, true);

    /// <summary>An adapter for each row.</summary>
    public void UseRows(IReadOnlyList<Adapter?> rows)
        => (Rows, Adapters, Composition, AreEnabled) = (rows, [.. rows.OfType<Adapter>().Distinct()], null, true);

    /// <summary>No adapters.</summary>
    public void Disable() => AreEnabled = false;

    /// <summary>None in some layers.</summary>
    public void Drop(IReadOnlyCollection<int> layers)
    {
        var before = IsDropped;
        IsDropped = target => before(target) || (target.Layer is { } number && layers.Contains(number));
    }

    /// <summary>The same for so many copies of each row, one after another.</summary>
    public PassDraft Repeated(int copies)
        => this with { Rows = Rows is null ? null : Repeat(Rows, copies), Tasks = Tasks is { Count: > 1 } ? Repeat(Tasks, copies) : Tasks };

    private static T[] Repeat<T>(IEnumerable<T> rows, int copies) => [.. rows.SelectMany(row => Enumerable.Repeat(row, copies))];
}
