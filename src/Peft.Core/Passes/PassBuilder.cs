using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Settings of a pass: those of the model (<see cref="PeftModel.Activate(string[])"/>), then those of the scopes from the outermost to the innermost, each of which may
/// override them.
/// </summary>
internal sealed record PassBuilder
{
    /// <summary>The active adapters, the innermost first; with <see cref="Rows"/>, in the order of their first rows.</summary>
    public IReadOnlyList<Adapter> Adapters { get; private set; } = [];

    /// <summary>Composition of the adapters; null if there is none.</summary>
    public Composition? Composition { get; private set; }

    /// <summary>The adapters of <see cref="Composition"/> by name.</summary>
    public IReadOnlyDictionary<string, Adapter> ByName { get; private set; } = new Dictionary<string, Adapter>();

    /// <summary>The adapter of each row, or null for none; null if all rows have the same adapters.</summary>
    public IReadOnlyList<Adapter?>? Rows { get; private set; }

    /// <summary>False if all adapters are disabled.</summary>
    public bool AreEnabled { get; private set; } = true;

    /// <summary>True for modules whose adapters are skipped.</summary>
    public Func<Target, bool> IsDropped { get; private set; } = _ => false;

    /// <summary>The task of each row, or one for all rows; null if none was set.</summary>
    public IReadOnlyList<int>? Tasks { get; set; }

    /// <summary>Observer of the inputs of adapted modules.</summary>
    public Action<Target, Tensor>? Observer { get; set; }

    /// <summary>Uses one composition of adapters for all rows.</summary>
    public void Use(Composition? composition, IReadOnlyDictionary<string, Adapter> adapters)
        => (Composition, ByName, Adapters, Rows, AreEnabled) = (composition, adapters, [.. (composition?.Names ?? []).Select(name => adapters[name])], null, true);

    /// <summary>Uses one adapter per row.</summary>
    public void UseRows(IReadOnlyList<Adapter?> rows)
        => (Rows, Adapters, Composition, AreEnabled) = (rows, [.. rows.OfType<Adapter>().Distinct()], null, true);

    /// <summary>Disables all adapters.</summary>
    public void Disable() => AreEnabled = false;

    /// <summary>Skips the adapters of some layers.</summary>
    public void Drop(IReadOnlyCollection<int> layers)
    {
        var before = IsDropped;
        IsDropped = target => before(target) || (target.Layer is { } number && layers.Contains(number));
    }

    /// <summary>Returns the draft with each row repeated. The copies of a row are adjacent.</summary>
    public PassBuilder Repeated(int copies)
        => this with { Rows = Rows is null ? null : Repeat(Rows, copies), Tasks = Tasks is { Count: > 1 } ? Repeat(Tasks, copies) : Tasks };

    private static T[] Repeat<T>(IEnumerable<T> rows, int copies) => [.. rows.SelectMany(row => Enumerable.Repeat(row, copies))];
}
