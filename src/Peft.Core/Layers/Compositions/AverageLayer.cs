using static TorchSharp.torch;

namespace Peft;

/// <summary>y = Σ wᵢ·yᵢ over stacks of layers that each enclose the same module. Modules are linear in their weights, so averaging the weights is equivalent.</summary>
internal sealed class AverageLayer(Target target, (AdapterLayer[] Layers, double Weight)[] stacks) : AdapterLayer(target)
{
    protected internal override bool DependsOnBatch => stacks.Any(stack => stack.Layers.Any(layer => layer.DependsOnBatch));

    protected internal override Tensor Forward(Tensor input, Inner inner)
    {
        Tensor? sum = null;
        foreach (var (layers, weight) in stacks)
        {
            var part = inner.Enclosed(layers).Forward(input).mul(Constant(weight));
            sum = sum is null ? part : sum.add(part, One);
        }
        return sum!;
    }

    protected internal override Weights? Merge(Weights inner)
    {
        Tensor? weight = null, bias = null;
        foreach (var (layers, share) in stacks)
        {
            var part = AdapterSite.Fold(Target, layers, inner);
            weight = Add(weight, part.Weight.mul(Constant(share)));
            if (part.Bias is { } own) bias = Add(bias, own.mul(Constant(share)));
        }
        return new Weights(weight!, bias);
    }

    private static Tensor Add(Tensor? sum, Tensor part) => sum is null ? part : sum.add(part, One);
}
