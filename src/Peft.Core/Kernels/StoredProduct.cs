using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ or y·W with a stored weight as one node of the autograd graph. The node keeps the storage but no tensor: the backward pass multiplies by the stored values again. It keeps the input only if the gradient of the
/// weight is requested.
/// </summary>
internal sealed class StoredProduct : GraphNode<StoredProduct>
{
    private sealed record Job(WeightStorage Weight, bool Transposed, bool InputRequiresGrad, WeightGradient? Gradient);

    /// <summary>Computes the product, with a gradient for the input if it requires one.</summary>
    public static Tensor Run(Tensor input, WeightStorage weight, bool transposed)
    {
        if (!is_grad_enabled() || (!input.requires_grad && weight.Gradient is null)) return Product(input, weight, transposed);
        var job = new Job(weight, transposed, input.requires_grad, weight.Gradient);
        if (input.requires_grad) return Record(input, job)[0];
        // Without an input that requires a gradient, there would be no backward pass.
        using var anchor = zeros(1, device: input.device, requires_grad: true);
        return Record(input, job, anchor)[0];
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (input, job) = ((Tensor)arguments[0], (Job)arguments[1]);
        context.save_data(nameof(Job), job);
        if (job.Gradient is not null) context.save_for_backward([input]);
        return [Product(input, job.Weight, job.Transposed)];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var job = (Job)context.get_data(nameof(Job));
        job.Gradient?.Add(context.get_saved_variables()[0], gradients[0], job.Transposed);
        return job.InputRequiresGrad ? [Product(gradients[0], job.Weight, !job.Transposed), null] : [null, null, null];
    }

    private static Tensor Product(Tensor input, WeightStorage weight, bool transposed) => transposed ? weight.TransposedProduct(input) : weight.Product(input);
}
