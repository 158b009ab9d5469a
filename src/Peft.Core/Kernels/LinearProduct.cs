using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x·Wᵀ + b by <see cref="MatrixProduct"/>, with all gradients: the product of a module outside of other nodes. Its values do not depend on what requires a gradient.</summary>
internal sealed class LinearProduct : GraphNode<LinearProduct>
{
    /// <summary>True if the kernel supports such tensors.</summary>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c>, stored by rows or by columns.</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <param name="inputs">Length of an input.</param>
    public static bool Supports(Tensor input, Tensor weight, Tensor? bias, long inputs) => MatrixProduct.Supports(input, weight, inputs) && (bias is null || TensorMemory.Supports(bias));

    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(Tensor input, Tensor weight, Tensor? bias)
    {
        if (!TensorMemory.RequiresGrad(input, weight, bias ?? input)) return MatrixProduct.Run(input, weight, bias);
        using var x = input.contiguous();
        return (bias is null ? Record(x, weight) : Record(x, weight, bias))[0];
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (x, weight, bias) = ((Tensor)arguments[0], (Tensor)arguments[1], arguments.Length > 2 ? (Tensor)arguments[2] : null);
        var learns = Array.ConvertAll(arguments, argument => ((Tensor)argument).requires_grad);
        context.save_data(nameof(learns), learns);
        context.save_for_backward([weight, bias ?? weight, .. learns[1] ? [x] : Array.Empty<Tensor>()]);
        return [MatrixProduct.Run(x, weight, bias)];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var (learns, saved, gradient) = ((bool[])context.get_data("learns"), context.get_saved_variables(), gradients[0]);
        var results = new Tensor?[learns.Length];
        if (learns[0]) results[0] = MatrixProduct.Run(gradient, saved[0].t(), null);
        if (learns[1]) results[1] = TrainedGradient.Of(saved[0]).AddProduct(gradient, saved[2]).Result;
        if (learns.Length > 2 && learns[2]) results[2] = TrainedGradient.Of(saved[1]).AddSum(gradient).Result;
        return results;
    }
}
