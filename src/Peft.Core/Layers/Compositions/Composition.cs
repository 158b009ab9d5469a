namespace Peft;

/// <summary>
/// A combination of several adapters (Pfeiffer et al. 2020, arXiv:2007.07779). An adapter's name converts to a composition of only that adapter. Compositions
/// nest freely, but each adapter may occur only once.
/// </summary>
public abstract class Composition
{
    private protected Composition() { }

    /// <summary>Converts the name of an adapter.</summary>
    public static implicit operator Composition(string adapter) => new Single(adapter);

    /// <summary>Stacks adapters: the first is innermost, and each following one receives the output of the preceding one.</summary>
    public static Composition Stack(params Composition[] parts) => new Stacked(Required(parts));

    /// <summary>Runs all parts on the same input and averages their outputs with equal weights.</summary>
    public static Composition Average(params Composition[] parts) => Average([.. Required(parts).Select(part => (part, 1.0))]);

    /// <summary>Runs all parts on the same input and averages their outputs with the given weights, normalized to sum to 1.</summary>
    /// <exception cref="ArgumentException">There are no parts, or the weights sum to 0.</exception>
    public static Composition Average(params (Composition Part, double Weight)[] parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        var sum = parts.Sum(part => part.Weight);
        if (parts.Length == 0 || sum == 0) throw new ArgumentException($"The weights of an average must not sum to 0, but were [{string.Join(", ", parts.Select(part => part.Weight))}].", nameof(parts));
        return new Averaged([.. parts.Select(part => (part.Part, part.Weight / sum))]);
    }

    /// <summary>Runs each part on its own span of sequence positions, in order; the lengths must sum to the sequence length.</summary>
    public static Composition Split(params (Composition Part, int Length)[] parts) => Slice(parts, dimension: 1);

    /// <summary>Runs each part on its own span of batch rows, in order; the row counts must sum to the batch size.</summary>
    public static Composition BatchSplit(params (Composition Part, int Rows)[] parts) => Slice(parts, dimension: 0);

    /// <summary>
    /// Runs each part on an equal number of rows of the batch. If the same inputs are repeated once per part, every adapter processes them in a single
    /// forward pass (Rücklé et al. 2020, arXiv:2010.11918).
    /// </summary>
    public static Composition Parallel(params Composition[] parts) => new Sliced([.. Required(parts).Select(part => (part, (int?)null))], 0);

    /// <summary>Names of all adapters in the composition, the innermost first.</summary>
    internal abstract IEnumerable<string> Names { get; }

    /// <summary>Returns the layers of the composition at one module, the innermost first.</summary>
    /// <param name="target">The module.</param>
    /// <param name="layers">The layers of an adapter at the module.</param>
    internal abstract IEnumerable<AdapterLayer> At(Target target, Func<string, IEnumerable<AdapterLayer>> layers);

    /// <summary>True if the composition only stacks adapters.</summary>
    internal virtual bool IsStack => false;

    /// <summary>True if a part of it receives only some rows or positions.</summary>
    internal virtual bool Slices => false;

    /// <summary>Returns the composition with an adapter renamed.</summary>
    internal abstract Composition Rename(string from, string to);

    /// <summary>Returns the composition without an adapter; null if nothing is left.</summary>
    internal abstract Composition? Without(string adapter);

    private static Sliced Slice((Composition Part, int Length)[] parts, int dimension)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Length == 0 || parts.Any(part => part.Length < 1)) throw new ArgumentException($"Each part needs a length of at least 1, but the lengths were [{string.Join(", ", parts.Select(part => part.Length))}].", nameof(parts));
        return new Sliced([.. parts.Select(part => (part.Part, (int?)part.Length))], dimension);
    }

    private static Composition[] Required(Composition[] parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        return parts.Length > 0 ? parts : throw new ArgumentException("A composition needs at least one part.", nameof(parts));
    }

    private sealed class Single(string name) : Composition
    {
        internal override bool IsStack => true;
        internal override IEnumerable<string> Names => [name];
        internal override IEnumerable<AdapterLayer> At(Target target, Func<string, IEnumerable<AdapterLayer>> layers) => layers(name);
        internal override Composition Rename(string from, string to) => name == from ? to : this;
        internal override Composition? Without(string adapter) => name == adapter ? null : this;
    }

    private sealed class Stacked(Composition[] parts) : Composition
    {
        internal override bool IsStack => parts.All(part => part.IsStack);
        internal override bool Slices => parts.Any(part => part.Slices);
        internal override IEnumerable<string> Names => parts.SelectMany(part => part.Names);
        internal override IEnumerable<AdapterLayer> At(Target target, Func<string, IEnumerable<AdapterLayer>> layers) => parts.SelectMany(part => part.At(target, layers));
        internal override Composition Rename(string from, string to) => new Stacked([.. parts.Select(part => part.Rename(from, to))]);
        internal override Composition? Without(string adapter) => parts.Select(part => part.Without(adapter)).OfType<Composition>().ToArray() is { Length: > 0 } left ? new Stacked(left) : null;
    }

    private sealed class Averaged((Composition Part, double Weight)[] parts) : Composition
    {
        internal override bool Slices => parts.Any(part => part.Part.Slices);

        internal override IEnumerable<string> Names => parts.SelectMany(part => part.Part.Names);

        internal override IEnumerable<AdapterLayer> At(Target target, Func<string, IEnumerable<AdapterLayer>> layers)
        {
            var stacks = parts.Select(part => (part.Part.At(target, layers).ToArray(), part.Weight)).ToArray();
            return stacks.All(stack => stack.Item1.Length == 0) ? [] : [new AverageLayer(target, stacks)];
        }

        internal override Composition Rename(string from, string to) => new Averaged([.. parts.Select(part => (part.Part.Rename(from, to), part.Weight))]);

        internal override Composition? Without(string adapter)
            => parts.Select(part => (Part: part.Part.Without(adapter), part.Weight)).Where(part => part.Part is not null).ToArray() is { Length: > 0 } left ? Average([.. left.Select(part => (part.Part!, part.Weight))]) : null;
    }

    // A null length means an equal part.
    private sealed class Sliced((Composition Part, int? Length)[] parts, int dimension) : Composition
    {
        internal override bool Slices => true;

        internal override IEnumerable<string> Names => parts.SelectMany(part => part.Part.Names);

        internal override IEnumerable<AdapterLayer> At(Target target, Func<string, IEnumerable<AdapterLayer>> layers)
        {
            var stacks = parts.Select(part => (part.Part.At(target, layers).ToArray(), part.Length)).ToArray();
            return stacks.All(stack => stack.Item1.Length == 0) ? [] : [new SliceLayer(target, stacks, dimension)];
        }

        internal override Composition Rename(string from, string to) => new Sliced([.. parts.Select(part => (part.Part.Rename(from, to), part.Length))], dimension);

        // The slice of a removed adapter remains and runs through the base model.
        internal override Composition? Without(string adapter)
            => parts.All(part => part.Part.Without(adapter) is null) ? null : new Sliced([.. parts.Select(part => (part.Part.Without(adapter) ?? new Stacked([]), part.Length))], dimension);
    }
}
