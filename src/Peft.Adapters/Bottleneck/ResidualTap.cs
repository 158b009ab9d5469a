using static TorchSharp.torch;

namespace Peft.Adapters;

/// <summary>Leaves a module as it is and remembers its input, the residual stream, for the layer that stands after the sub-block.</summary>
/// <param name="target">A module whose input is the residual stream.</param>
internal sealed class ResidualTap(Target target) : AdapterLayer(target)
{
    // Forward passes may run in several threads at once; each runs through the tap before what uses it.
    private readonly ThreadLocal<Tensor?> seen = new();

    protected override bool SavesEmbedding => false;

    /// <summary>The input of the last pass in this thread, which then belongs to the caller.</summary>
    public Tensor Take()
    {
        var taken = seen.Value ?? throw new PeftException($"{Target.Path} has not run before the adapter that needs its input: its owner calls forward instead of call, or runs it later.");
        seen.Value = null;
        return taken;
    }

    protected override Tensor Forward(Tensor input, Inner inner)
    {
        seen.Value?.Dispose();
        seen.Value = input.alias().DetachFromDisposeScope();
        return inner.Forward(input);
    }

    protected override Weights Merge(Weights inner) => inner;
}
