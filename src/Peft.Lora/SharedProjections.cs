namespace Peft.Lora;

/// <summary>
/// Random projections A <c>[rows, largest in]</c> and B <c>[largest out, rank]</c> that all layers share, as in VeRA. Each layer slices
/// them to its input and output size.
/// </summary>
internal sealed class SharedProjections : SharedTensors
{
    public SharedProjections(string prefix, int rows, int rank, int seed, bool saved, IReadOnlyList<Target> targets) : base(targets[0].ComputeType, targets[0].Device)
    {
        using var random = new SeededRandom(seed, Device);
        A = Frozen(prefix + "_A", random.KaimingUniform(rows, targets.Max(target => target.In)).to(Device), saved);
        B = Frozen(prefix + "_B", random.KaimingUniform(targets.Max(target => target.Out), rank).to(Device), saved);
    }

    public Parameter A { get; }

    public Parameter B { get; }
}
