using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ with a stored weight as one node of the autograd graph. The node keeps the storage but no tensor: the backward pass reads the weight again.
/// </summary>
internal sealed class StoredProduct : autograd.SingleTensorFunction<StoredProduct>
{
    public override string Name => nameof(StoredProduct);

    /// <summary>The product <c>[…, out]</c> for an input <c>[…, in]</c>.</summary>
    public static Tensor Run(Tensor input, WeightStorage weight) => is_grad_enabled() && input.requires_grad ? apply(input, weight) : Product(input, weight);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var weight = (WeightStorage)vars[1];
        ctx.save_data("weight", weight);
        return Product((Tensor)vars[0], weight);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        => BackwardResult.Give(((WeightStorage)ctx.get_data("weight")).MultiplyTransposed(grad_output), null);

    private static Tensor Product(Tensor input, WeightStorage weight)
    {
        using var values = weight.Read();
        return nn.functional.linear(input, values);
    }
}
