namespace Peft.Adapters;

/// <summary>Captures a module's input, the residual stream, for the layer after the sub-block. The module's output does not change.</summary>
/// <param name="target">A module whose input is the residual stream.</param>
/// <param name="ofOutput">True to capture the module's output instead, which is added to the residual stream.</param>
internal sealed class ResidualTap(Target target, bool ofOutput = false) : AdapterLayer(target), IKeepsEmbedding
{
    // Forward passes may run in several threads at once. Each runs the tap before the layer that reads it.
    private readonly ThreadLocal<Tensor?> seen = new();

    /// <summary>The value captured by the last forward pass in this thread. The caller owns it.</summary>
    public Tensor Take()
    {
        var taken = seen.Value ?? throw new PeftException($"{Target.Path} has not run before the adapter that needs its input: its parent calls forward instead of call, or runs it later.");
        seen.Value = null;
        return taken;
    }

    protected override Tensor Forward(Tensor input, Inner inner)
    {
        if (!ofOutput) Keep(input);
        var output = inner.Forward(input);
        if (ofOutput) Keep(output);
        return output;
    }

    private void Keep(Tensor value)
    {
        seen.Value?.Dispose();
        seen.Value = value.alias().DetachFromDisposeScope();
    }

    protected override Weights Merge(Weights inner) => inner;
}
