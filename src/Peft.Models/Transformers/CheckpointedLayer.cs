using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Gradient checkpointing: a layer that keeps only its input and runs again in the backward pass (Chen et al. 2016, arXiv:1604.06174). Only the activations of
/// one layer are in memory at a time, at the cost of about an eighth more time where layers are single nodes of the graph, otherwise about a third. The second run has the same dropout mask.
/// </summary>
internal sealed class CheckpointedLayer : GraphNode<CheckpointedLayer>
{
    private sealed record Job(TransformerLayer Layer, ForwardContext Context, int Index, bool InputRequiresGrad, bool EncoderRequiresGrad)
    {
        public IDisposable Hold { get; } = Context.Hold();

        // The second run uses the adapters that are active now.
        public PassHandle? Pass { get; } = Context.Pass?.Keep();
    }

    /// <summary>The layer's output.</summary>
    public static Tensor Run(TransformerLayer layer, Tensor hidden, ForwardContext context)
    {
        // The first layer's input does not require grad. Without an input that does, the adapters inside the layer would get no gradient.
        using var anchor = DirectGradients.Anchor(hidden.device);
        var encoded = context.Encoder?.States;
        return Record(hidden, encoded ?? anchor, anchor, new Job(layer, context, context.Layer, hidden.requires_grad, encoded?.requires_grad == true))[0];
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (hidden, encoded, job) = ((Tensor)arguments[0], (Tensor)arguments[1], (Job)arguments[3]);
        var random = RandomState.Get();
        using var _ = no_grad();
        var output = Call(job, hidden, LayerRun.First);
        // Most layers draw no random values. Parts of a batch run at the same time only then: all threads share one generator.
        var draws = RandomState.HasChanged(random);
        context.save_data(nameof(Job), job);
        context.save_for_backward(draws ? [hidden, encoded, random] : [hidden, encoded]);
        return [output];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var job = (Job)context.get_data(nameof(Job));
        using var hold = job.Hold;
        var saved = context.get_saved_variables();
        var now = saved.Count > 2 ? RandomState.Get() : null;
        if (now is not null) RandomState.Set(saved[2]);
        using var _ = enable_grad();
        var input = saved[0].detach();
        input.requires_grad = job.InputRequiresGrad;
        // A detached leaf: each layer contributes its part to the gradient of the encoder's output.
        var encoded = saved[1].detach();
        encoded.requires_grad = job.EncoderRequiresGrad;
        if (job.Context.Encoder is { } encoder) job.Context.Encoder = encoder with { States = encoded };
        job.Context.Layer = job.Index;
        using var pass = job.Pass;
        using var inside = pass?.Enter();
        using var known = job.Context.Enter();
        using var once = SavedTensors.InOnePass();
        Tensor output;
        try
        {
            output = Call(job, input, LayerRun.Second);
        }
        finally
        {
            if (now is not null) RandomState.Set(now);
        }
        // If neither the layer nor its input requires grad, backward would fail.
        return output.requires_grad ? [.. DirectGradients.Backward([output], [gradients[0]], input, encoded), null, null] : [null, null, null, null];
    }

    private static Tensor Call(Job job, Tensor input, LayerRun run)
    {
        job.Context.Run = run;
        try
        {
            return job.Layer.call(input, job.Context);
        }
        finally
        {
            job.Context.Run = LayerRun.Only;
        }
    }
}
