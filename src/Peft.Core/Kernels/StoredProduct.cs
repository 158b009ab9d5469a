using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ or y·W with a stored weight as one node of the autograd graph. The node keeps the storage but no tensor: the backward pass multiplies by the stored values again.
/// </summary>
internal sealed class StoredProduct : autograd.SingleTensorFunction<StoredProduct>
{
    public override string Name => nameof(StoredProduct);

    /// <summary>The product, with a gradient for the input if it requires one.</summary>
    public static Tensor Run(Tensor input, WeightStorage weight, bool transposed)
        => is_grad_enabled() && input.requires_grad ? apply(input, weight, transposed) : Product(input, weight, transposed);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (weight, transposed) = ((WeightStorage)vars[1], (bool)vars[2]);
        ctx.save_data("weight", weight);
        ctx.save_data("transposed", transposed);
        return Product((Tensor)vars[0], weight, transposed);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        => BackwardResult.Give(Product(grad_output, (WeightStorage)ctx.get_data("weight"), !(bool)ctx.get_data("transposed")), null, null);

    private static Tensor Product(Tensor input, WeightStorage weight, bool transposed) => transposed ? weight.TransposedProduct(input) : weight.Product(input);
}
