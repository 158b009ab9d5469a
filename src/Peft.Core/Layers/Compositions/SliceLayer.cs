using static TorchSharp.torch;

namespace Peft;

/// <summary>Slices the input along a dimension and runs each slice through its own stack of layers. A null length means an equal part.</summary>
internal sealed class SliceLayer : AdapterLayer
{
    private readonly (AdapterLayer[] Layers, int? Length)[] stacks;
    private readonly int dimension;

    public SliceLayer(Target target, (AdapterLayer[] Layers, int? Length)[] stacks, int dimension) : base(target)
    {
        (this.stacks, this.dimension) = (stacks, dimension);
        if (dimension > 0 && target is { IsMatrix: true, IsProduct: false, IsLookup: false })
            throw new PeftException($"{target} does not map each position separately, so a sequence cannot be split there. Use BatchSplit.");
    }

    protected internal override bool DependsOnBatch => dimension == 0 || stacks.Any(stack => stack.Layers.Any(layer => layer.DependsOnBatch));

    protected internal override Tensor Forward(Tensor input, Inner inner)
    {
        var size = dimension < input.dim() ? input.shape[dimension] : 0;
        long[] lengths = [.. stacks.Select(stack => stack.Length ?? size / stacks.Length)];
        if (lengths.Sum() != size)
            throw new PeftException($"{Target.Path} received an input [{string.Join(", ", input.shape)}], but the parts of the composition ({string.Join(" + ", lengths)}) do not add up to its {(dimension == 0 ? "rows" : "positions")}.");
        var outputs = new Tensor[stacks.Length];
        long start = 0;
        for (var i = 0; i < outputs.Length; i++)
        {
            using var part = dimension == 0 ? ForwardPass.EnterRows(arange(Constant(start), Constant(start + lengths[i]), One, device: input.device)) : ForwardPass.EnterRun(start, lengths[i], size);
            outputs[i] = inner.Enclosed(stacks[i].Layers).Forward(input.narrow(dimension, start, lengths[i]));
            start += lengths[i];
        }
        return cat(outputs, dimension);
    }
}
