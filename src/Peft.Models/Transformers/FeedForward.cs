using Peft.Kernels;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Feed-forward network: down(act(gate(x)) ∘ up(x)) (Shazeer 2020, arXiv:2002.05202), or down(act(up(x))).</summary>
internal sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    private readonly AdaptableModule? gate, up, gateUp;
    private readonly AdaptableModule down;
    private readonly Activation activation;
    private readonly int width;
    private readonly double dropout;

    public FeedForward(TransformerSpec spec, Placement at) : base("")
    {
        activation = spec.Activation;
        width = spec.IntermediateSize;
        dropout = spec.FeedForwardDropout;
        var names = spec.Names;
        if (spec.FusedGate)
        {
            Part(names.GateUp, gateUp = TransformerParts.Projection(spec, spec.HiddenSize, 2 * width, spec.FeedForwardBias, at));
        }
        else
        {
            if (spec.GatedFeedForward)
                Part(names.Gate, gate = TransformerParts.Projection(spec, spec.HiddenSize, width, spec.FeedForwardBias, at));
            Part(names.Up, up = TransformerParts.Projection(spec, spec.HiddenSize, width, spec.FeedForwardBias, at));
        }
        Part(names.Down, down = TransformerParts.Projection(spec, width, spec.HiddenSize, spec.FeedForwardBias, at));
    }

    /// <summary>The projections with their names.</summary>
    public List<(string Name, AdaptableModule Module)> Parts { get; } = [];

    /// <summary>The projections that read the input.</summary>
    public IReadOnlyList<AdaptableModule> Inputs => gateUp is not null ? [gateUp] : gate is null ? [up!] : [gate, up!];

    /// <summary>The projection back to the hidden size.</summary>
    public AdaptableModule Down => down;

    /// <summary>Folds factors of the down projection's input into the up projection; null without a gate, because an activation does not commute with factors.</summary>
    public ScaleFold? UpFold()
        => gateUp is not null ? new(gateUp, [down], [.. Enumerable.Range(width, width).Select(i => (long)i)]) : gate is null ? null : new(up!, [down]);

    private void Part(string name, AdaptableModule module)
    {
        Parts.Add((name, module));
        this.Place(name, module);
    }

    // The modules are registered under the names of the architecture's description, not under the field names.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        using var inner = Inner(input);
        if (!down.training || dropout == 0) return down.call(inner);
        using var kept = DropoutMask.Run(inner, dropout);
        return down.call(kept);
    }

    /// <summary>True if steps can compute the network, if its projections can be products.</summary>
    public bool HasSteps => gateUp is null && ActivationKernel.Supports(activation.Name) && !(down.training && dropout > 0);

    /// <summary>Adds steps for the network and returns true; false, without having added any, if the kernels do not support it.</summary>
    /// <param name="steps">Takes the steps.</param>
    /// <param name="norm">The normalization of the input.</param>
    /// <param name="input">Index of the input <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="residual">Index of a value to add; null for none.</param>
    /// <param name="rows">Number of rows.</param>
    public bool AddSteps(NodeSteps steps, NodeInput norm, int input, int? residual, long rows)
    {
        if (!HasSteps || down.AsProduct(rows) is not { } last) return false;
        NodeProduct[] first = [.. Inputs.Select(module => module.AsProduct(rows)).OfType<NodeProduct>()];
        if (first.Length < Inputs.Count) return false;
        var wide = steps.Add(new LinearStep(norm, [input], null, first));
        steps.Add(new LinearStep(new ActivatedInput(activation.Name), [.. Enumerable.Range(wide, first.Length)], residual, last));
        return true;
    }

    private Tensor Inner(Tensor input)
    {
        if (gateUp is not null)
        {
            using var both = gateUp.call(input);
            using var gated = both.narrow(-1, 0, width);
            using var open = activation.Apply(gated);
            using var passed = both.narrow(-1, width, width);
            return open.mul(passed);
        }
        if (gate is null)
        {
            using var wide = up!.call(input);
            return activation.Apply(wide);
        }
        using var gateOut = gate.call(input);
        if (activation.IsSilu && SwigluKernel.Supports(gateOut, gateOut))
        {
            using var wide = up!.call(input);
            return SwigluKernel.Run(gateOut, wide);
        }
        using var active = activation.Apply(gateOut);
        using var upOut = up!.call(input);
        return active.mul(upOut);
    }
}
