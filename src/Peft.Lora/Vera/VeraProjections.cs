using TorchSharp.Modules;

namespace Peft.Lora;

/// <summary>VeRA's random projections A <c>[rank, largest in]</c> and B <c>[largest out, rank]</c>; each layer uses as much of them as it has inputs and outputs.</summary>
internal sealed class VeraProjections : SharedTensors
{
    public VeraProjections(VeraOptions options, IReadOnlyList<Target> targets) : base(targets[0].Weight.dtype, targets[0].Weight.device)
    {
        using var random = new SeededRandom(options.ProjectionKey);
        A = Frozen("vera_A", random.KaimingUniform(options.Rank, targets.Max(target => target.In)).to(Device), options.SaveProjection);
        B = Frozen("vera_B", random.KaimingUniform(targets.Max(target => target.Out), options.Rank).to(Device), options.SaveProjection);
    }

    public Parameter A { get; }

    public Parameter B { get; }
}
