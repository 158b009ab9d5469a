using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A node of the autograd graph with hand-written forward and backward passes, which frees each tensor after its last use.</summary>
internal abstract class GraphNode<T> : autograd.MultiTensorFunction<T> where T : GraphNode<T>, new()
{
    private sealed record OutputInfo(long[] Shape, ScalarType Type, Device Device)
    {
        public Tensor Zeros() => zeros(Shape, Type, Device);
    }

    private sealed record Signature(bool[] IsTensor, OutputInfo[] Outputs);

    public override string Name => typeof(T).Name;

    /// <summary>Adds a node to the graph, and returns its outputs.</summary>
    protected static List<Tensor> Record(params object[] arguments)
    {
        // TorchSharp allocates a tensor of each output's size, which is never used.
        using var scope = NewDisposeScope();
        var outputs = apply(arguments);
        foreach (var output in outputs) output.MoveToOuterDisposeScope();
        return outputs;
    }

    /// <summary>Computes the outputs.</summary>
    protected abstract Tensor[] Forward(autograd.AutogradContext context, object[] arguments);

    /// <summary>Computes the gradients, one or null for each argument of the node.</summary>
    /// <param name="context">What the forward pass saved.</param>
    /// <param name="gradients">Gradients of the outputs, contiguous.</param>
    protected abstract Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients);

    /// <inheritdoc/>
    public sealed override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        var outputs = Forward(ctx, vars);
        ctx.save_data(nameof(Signature), new Signature(Array.ConvertAll(vars, argument => argument is Tensor), Array.ConvertAll(outputs, output => new OutputInfo(output.Sizes(), output.dtype, output.device))));
        return [.. outputs];
    }

    /// <inheritdoc/>
    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        using var scope = NewDisposeScope();
        var signature = (Signature)ctx.get_data(nameof(Signature));
        Tensor?[] results;
        try
        {
            var gradients = new Tensor[signature.Outputs.Length];
            // No gradient means zero.
            for (var i = 0; i < gradients.Length; i++) gradients[i] = grad_outputs[i].IsInvalid ? signature.Outputs[i].Zeros() : grad_outputs[i].contiguous();
            results = Backward(ctx, gradients);
        }
        catch (Exception error)
        {
            results = BackwardFailure.Take(error, signature.IsTensor);
        }
        SavedTensors.Free(ctx);
        foreach (var received in grad_outputs) received.Dispose();   // otherwise, they would stay in memory until the end of the step
        return GivenGradients.Give(results);
    }
}
