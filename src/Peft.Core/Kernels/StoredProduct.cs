using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ or y·W with a stored weight as one node of the autograd graph. The node keeps the storage but no tensor: the backward pass multiplies by the stored values again. It keeps the input only if the gradient of the
/// weight is requested.
/// </summary>
internal sealed class StoredProduct : autograd.SingleTensorFunction<StoredProduct>
{
    private sealed record Job(WeightStorage Weight, bool Transposed, bool InputRequiresGrad, WeightGradient? Gradient);

    public override string Name => nameof(StoredProduct);

    /// <summary>Computes the product, with a gradient for the input if it requires one.</summary>
    public static Tensor Run(Tensor input, WeightStorage weight, bool transposed)
    {
        if (!is_grad_enabled() || (!input.requires_grad && weight.Gradient is null)) return Product(input, weight, transposed);
        var job = new Job(weight, transposed, input.requires_grad, weight.Gradient);
        if (input.requires_grad) return apply(input, job);
        // Without an input that requires a gradient, there would be no backward pass.
        using var anchor = zeros(1, device: input.device, requires_grad: true);
        return apply(input, job, anchor);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (input, job) = ((Tensor)vars[0], (Job)vars[1]);
        ctx.save_data(nameof(Job), job);
        if (job.Gradient is not null) ctx.save_for_backward([input]);
        return Product(input, job.Weight, job.Transposed);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var job = (Job)ctx.get_data(nameof(Job));
        job.Gradient?.Add(ctx.get_saved_variables()[0], grad_output, job.Transposed);
        return job.InputRequiresGrad ? BackwardResult.Give(Product(grad_output, job.Weight, !job.Transposed), null) : BackwardResult.Give(null, null, null);
    }

    private static Tensor Product(Tensor input, WeightStorage weight, bool transposed) => transposed ? weight.TransposedProduct(input) : weight.Product(input);
}
