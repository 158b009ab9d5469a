namespace Peft.Adapters;

/// <summary>
/// ReFT (Wu et al. 2024, arXiv:2404.03592) at the end of a transformer layer: at some positions, the hidden states h <c>[batch, sequence, hidden]</c> become
/// h + Rᵀ·(W·h + b − R·h). h is the module's output, plus what the model then adds to it.
/// </summary>
internal sealed class ReftLayer : TransformLayer, IMixesPositions
{
    private readonly ReftOptions options;
    private readonly IReadOnlyList<ResidualTap> taps;

    public ReftLayer(Target target, ReftOptions options, IReadOnlyList<ResidualTap> taps) : base(target)
    {
        (this.options, this.taps) = (options, taps);
        if (options.Rank >= target.Out) throw new AdapterOptionsException($"Rank is {options.Rank}, but must be below the width of the hidden states, which is {target.Out} at {target.Path}.");
        // Two units, as in the Adapters library: of the first positions and of the last ones. One that no position uses would have no gradient.
        if (options.PrefixPositions > 0 || options.TiesWeights) First = Unit(0);
        if (options.SuffixPositions > 0) Last = options.TiesWeights ? First : Unit(1);
    }

    /// <summary>What the first positions get; null if they stay.</summary>
    public ReftUnit? First { get; }

    /// <summary>What the last positions get; null if they stay.</summary>
    public ReftUnit? Last { get; }

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var added = taps.Select(tap => tap.Take()).ToList();
        try
        {
            var flat = Sequences(output);
            var hidden = added.Aggregate(flat, (sum, each) => sum.add(Sequences(each.to_type(output.dtype)), One));
            var positions = ReftPositions.Of(hidden, options, Target);
            if (First is not null && positions.First is { } first) flat = Change(flat, hidden, first, First);
            if (Last is not null && positions.Last is { } last) flat = Change(flat, hidden, last, Last);
            return flat.reshape(output.shape);
        }
        finally
        {
            added.ForEach(each => each.Dispose());
        }
    }

    // The change of the hidden states is that of the output, since the rest of them is added to it.
    private Tensor Change(Tensor output, Tensor hidden, ChosenPositions at, ReftUnit unit)
    {
        var index = at.Index.unsqueeze(-1).expand(-1, -1, hidden.size(2));
        var chosen = hidden.gather(1, index);
        var change = unit.Change(chosen);
        if (Training && options.Dropout > 0) change = nn.functional.dropout(chosen.add(change, One), options.Dropout, training: true).sub(chosen);
        return output.scatter_add(1, index, change.mul(at.Exists.unsqueeze(-1).to_type(change.dtype)));
    }

    // A row without a sequence is one position.
    private static Tensor Sequences(Tensor value)
    {
        var shape = value.shape;
        return value.reshape(-1, shape.Length < 3 ? 1 : shape[^2], shape[^1]);
    }

    private ReftUnit Unit(int index) => new(options, Target.Out, (name, initial) => Trainable($"units.{index}.{name}", initial), (name, value) => Frozen($"units.{index}.{name}", value),
        (rows, columns) => KaimingUniform(rows, columns), bound => Uniform(bound, options.Rank), HasValues);
}
