using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Products of one input with several matrices, frozen ones with their trainable low-rank factors, or trained ones. What the input is computed from is kept, not the input. On the CPU in float32.
/// </summary>
/// <param name="input">Their input <c>[…, in]</c>.</param>
/// <param name="sources">Indices of the values from which the input is computed.</param>
/// <param name="residual">Index of a value <c>[…, out]</c> that is added to the first output <c>[…, out]</c>; null for none.</param>
/// <param name="products">The products.</param>
internal sealed class LinearStep(NodeInput input, int[] sources, int? residual, params NodeProduct[] products) : NodeStep(residual is { } added ? [.. sources, added] : sources)
{
    private readonly int[] kept = new int[products.Length];   // number of tensors that each product keeps

    public override int Outputs => products.Length;

    public override Tensor[] Trained { get; } = TrainedOf(input, products);

    private bool ProductsLearn => Trained.Length > input.Trained.Length;

    public override bool Keeps(int read) => read < sources.Length && (input.NeedsSources || Trained.Length > 0);

    /// <summary>Computes products, as a node of their own.</summary>
    public static Tensor[] Run(NodeInput input, Tensor[] sources, Tensor? residual, params NodeProduct[] products)
    {
        var steps = new NodeSteps(residual is null ? sources : [.. sources, residual]);
        steps.Add(new LinearStep(input, [.. Enumerable.Range(0, sources.Length)], residual is null ? null : sources.Length, products));
        return steps.Run();
    }

    public override Tensor[] Forward(Tensor[] values, List<Tensor> saved)
    {
        Tensor[] from = [.. values[..sources.Length], .. input.Constants];
        saved.AddRange(input.Constants);
        var x = input.Compute(from);
        var outputs = new Tensor[products.Length];
        for (var i = 0; i < products.Length; i++)
        {
            (outputs[i], var own) = i == 0 && residual is not null ? products[i].MultiplyAndAdd(x, values[^1]) : products[i].Multiply(x);
            saved.AddRange(own);
            kept[i] = own.Length;
        }
        if (!ReferenceEquals(x, from[0])) x.Dispose();
        return outputs;
    }

    public override bool Prepares => true;

    public override void Prepare(Tensor[] values, List<Tensor> saved)
    {
        saved.AddRange(input.Constants);
        Tensor[] from = [.. values[..sources.Length], .. input.Constants];
        var x = ProductsLearn ? input.Compute(from) : null;
        for (var i = 0; i < products.Length; i++)
        {
            var own = products[i].Prepare(x);
            saved.AddRange(own);
            kept[i] = own.Length;
        }
        if (x is not null && !ReferenceEquals(x, from[0])) x.Dispose();
    }

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved)
    {
        var constants = saved.Slice(Trained.Length, input.Constants.Length);
        var trained = saved[input.Trained.Length..Trained.Length];
        var own = saved[(Trained.Length + constants.Length)..];
        Tensor[] from = [.. values[..sources.Length], .. constants];
        var x = input.Compute(from);
        var outputs = new Tensor[products.Length];
        for (var i = 0; i < products.Length; i++)
        {
            var count = products[i].Trained.Length;
            outputs[i] = products[i].MultiplyAgain(x, [.. trained[..count], .. own[..kept[i]]]);
            trained = trained[count..];
            own = own[kept[i]..];
        }
        if (residual is not null) outputs[0].add_(values[^1], One);
        if (!ReferenceEquals(x, from[0])) x.Dispose();
        return outputs;
    }

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
    {
        var constants = saved.Slice(Trained.Length, input.Constants.Length);
        var trained = saved[input.Trained.Length..Trained.Length];
        var own = saved[(Trained.Length + constants.Length)..];
        Tensor[] from = [.. values[..sources.Length], .. constants];
        var x = ProductsLearn ? input.Compute(from) : null;
        var (result, next) = (new Tensor?[Reads.Length + Trained.Length], Reads.Length + input.Trained.Length);
        var sourcesRequireGrad = Array.IndexOf(wanted, true, 0, sources.Length) >= 0;
        var inputRequiresGrad = sourcesRequireGrad || input.Trained.Length > 0;
        Tensor? ofInput = null;
        for (var i = 0; i < products.Length; i++)
        {
            var count = products[i].Trained.Length;
            products[i].Differentiate(x, [.. trained[..count], .. own[..kept[i]]], gradients[i], inputRequiresGrad, ref ofInput).CopyTo(result, next);
            next += count;
            trained = trained[count..];
            own = own[kept[i]..];
        }
        if (x is not null && !ReferenceEquals(x, from[0])) x.Dispose();
        if (ofInput is not null && input.Trained.Length > 0) input.DifferentiateTrained(from, ofInput).CopyTo(result, Reads.Length);
        if (ofInput is not null && sourcesRequireGrad)
        {
            var ofSources = input.Differentiate(from, ofInput);
            for (var i = 0; i < ofSources.Length; i++) result[i] = wanted[i] ? ofSources[i] : null;
        }
        if (residual is not null && wanted[^1]) result[sources.Length] = gradients[0];
        return result;
    }

    private static Tensor[] TrainedOf(NodeInput input, NodeProduct[] products)
    {
        if (products is [var one] && input.Trained.Length == 0) return one.Trained;
        var trained = new List<Tensor>(input.Trained);
        foreach (var product in products) trained.AddRange(product.Trained);
        return [.. trained];
    }
}
