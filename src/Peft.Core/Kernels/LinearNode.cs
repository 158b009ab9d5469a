using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Products of one input with several frozen matrices and their trainable low-rank factors, as one node of the autograd graph. It keeps what its input is computed from, not the input. On the CPU in float32.
/// </summary>
internal sealed class LinearNode : GraphNode<LinearNode>
{
    private sealed record Job(NodeInput Input, NodeProduct[] Products, bool HasResidual, bool InputRequiresGrad)
    {
        public int[] Saved { get; } = new int[Products.Length];   // number of tensors that each product saved

        public int TrainedCount { get; init; }
    }

    /// <summary>Computes the products.</summary>
    /// <param name="input">Their input <c>[…, in]</c>.</param>
    /// <param name="products">The products.</param>
    /// <returns>The outputs <c>[…, out]</c>.</returns>
    public static List<Tensor> Run(NodeInput input, params NodeProduct[] products) => Run(input, null, products);

    /// <summary>Computes a product and adds a tensor.</summary>
    /// <param name="input">The input <c>[…, in]</c>.</param>
    /// <param name="product">The product.</param>
    /// <param name="residual">The tensor to add <c>[…, out]</c>; null for none.</param>
    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(NodeInput input, NodeProduct product, Tensor? residual) => Run(input, residual, [product])[0];

    private static List<Tensor> Run(NodeInput input, Tensor? residual, NodeProduct[] products)
    {
        var trained = products.SelectMany(product => product.Trained).ToArray();
        var job = new Job(input, products, residual is not null, Array.Exists(input.Sources, source => source.requires_grad)) { TrainedCount = trained.Length };
        return Record([.. input.Sources, .. residual is null ? [] : new[] { residual }, .. trained, job]);
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var job = (Job)arguments[^1];
        var (sources, products) = (job.Input.Sources, job.Products);
        var (saved, outputs) = (new List<Tensor>(sources), new Tensor[products.Length]);
        var x = job.Input.Compute(sources);
        for (var i = 0; i < products.Length; i++)
        {
            (outputs[i], var kept) = products[i].Multiply(x);
            saved.AddRange(products[i].Trained);
            saved.AddRange(kept);
            job.Saved[i] = products[i].Trained.Length + kept.Length;
        }
        if (job.HasResidual) outputs[0].add_((Tensor)arguments[sources.Length], One);
        context.save_data(nameof(Job), job);
        context.save_for_backward(saved);
        return outputs;
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var job = (Job)context.get_data(nameof(Job));
        var saved = context.get_saved_variables().ToArray();
        var sources = saved[..job.Input.Sources.Length];
        var result = new List<Tensor?>();
        Tensor? ofInput = null;
        var x = job.TrainedCount > 0 ? job.Input.Compute(sources) : null;
        var at = sources.Length;
        for (var i = 0; i < gradients.Length; i++)
        {
            result.AddRange(job.Products[i].Differentiate(x, saved.AsSpan(at, job.Saved[i]), gradients[i], job.InputRequiresGrad, ref ofInput));
            at += job.Saved[i];
        }
        var ofSources = ofInput is null ? new Tensor?[sources.Length] : job.Input.Differentiate(sources, ofInput);
        return [.. ofSources, .. job.HasResidual ? [gradients[0]] : Array.Empty<Tensor?>(), .. result, null];
    }
}
