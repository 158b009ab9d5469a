using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A node of the autograd graph with hand-written forward and backward passes, which frees each tensor after its last use.</summary>
internal abstract class GraphNode<T> : autograd.SingleTensorFunction<T> where T : GraphNode<T>, new()
{
    private const string Output = "output";

    private sealed record OutputInfo(long[] Shape, ScalarType Type, Device Device)
    {
        public Tensor Zeros() => zeros(Shape, Type, Device);
    }

    public override string Name => typeof(T).Name;

    /// <summary>Adds a node to the graph, and returns its output.</summary>
    protected static Tensor Record(params object[] arguments)
    {
        // TorchSharp allocates a tensor of the output's size for each node, which is never used.
        using var scope = NewDisposeScope();
        return apply(arguments).MoveToOuterDisposeScope();
    }

    /// <summary>Computes the output.</summary>
    protected abstract Tensor Forward(autograd.AutogradContext context, object[] arguments);

    /// <summary>Computes the gradients, one or null for each argument of the node.</summary>
    /// <param name="context">What the forward pass saved.</param>
    /// <param name="gradient">Gradient of the output, contiguous.</param>
    protected abstract Tensor?[] Backward(autograd.AutogradContext context, Tensor gradient);

    /// <inheritdoc/>
    public sealed override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        var output = Forward(ctx, vars);
        ctx.save_data(Output, new OutputInfo(output.shape, output.dtype, output.device));
        return output;
    }

    /// <inheritdoc/>
    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        using var received = grad_output;   // otherwise, it would stay in memory until the end of the step
        var gradients = Backward(ctx, received.IsInvalid ? ((OutputInfo)ctx.get_data(Output)).Zeros() : received.contiguous());
        SavedTensors.Free(ctx);
        return GivenGradients.Give(gradients);
    }
}
