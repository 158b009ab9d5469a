using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ + b with W and b that torch computes from trained tensors. They are computed again in the backward pass, so that only those of one module are in memory at a time. For passes of a trainer: gradients of the trained
/// tensors go where <see cref="DirectGradients.Backward"/> puts them, not to the caller of a backward pass.
/// </summary>
/// <param name="fold">Computes the weights, with a graph if gradients are enabled.</param>
/// <param name="device">Their device.</param>
internal sealed class FoldedProduct(Func<Weights> fold, Device device) : NodeProduct
{
    public override Tensor[] Trained { get; } = [DirectGradients.Anchor(device)];

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x)
    {
        var random = RandomState.Get();
        var output = Product(x);
        return (output, RandomState.HasChanged(random) ? [random] : []);
    }

    public override Tensor[] Prepare(Tensor? x)
    {
        var (output, kept) = Multiply(x!);
        output.Dispose();
        return kept;
    }

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved) => Again(saved, () => Product(x));

    private Tensor Product(Tensor x)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (weight, bias) = fold();
        return new FrozenMatrix(weight).Multiply(x, bias).AsContiguous().MoveToOuterDisposeScope();
    }

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        using var scope = NewDisposeScope();
        Weights weights;
        using (enable_grad()) weights = Again(saved, fold);
        if (inputRequiresGrad)
        {
            new FrozenMatrix(weights.Weight.detach()).AddTransposed(gradient, ref ofInput);
            ofInput!.MoveToOuterDisposeScope();
        }
        var (outputs, slopes) = (new List<Tensor>(), new List<Tensor>());
        if (weights.Weight.requires_grad) Add(weights.Weight, TrainedGradient.Of(weights.Weight).AddProduct(gradient, x!));
        if (weights.Bias is { requires_grad: true } bias) Add(bias, TrainedGradient.Of(bias).AddSum(gradient));
        if (outputs.Count > 0) DirectGradients.Backward(outputs, slopes);
        return [null];

        void Add(Tensor output, TrainedGradient sum)
        {
            if (sum.Result is not { } slope) return;   // a trained tensor itself
            outputs.Add(output);
            slopes.Add(slope);
        }
    }

    // With the random values of the forward pass.
    private static T Again<T>(ReadOnlySpan<Tensor> saved, Func<T> compute)
    {
        if (saved.Length < 2) return compute();
        using var now = RandomState.Get();
        RandomState.Set(saved[1]);
        try
        {
            return compute();
        }
        finally
        {
            RandomState.Set(now);
        }
    }
}
