using Peft.Kernels;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The modules of a <see cref="HeadSpec"/>, registered in a model: hidden states <c>[…, hidden]</c> to scores <c>[…, outputs]</c>.</summary>
#pragma warning disable CA1001 // the model that the modules are registered in disposes them
internal sealed class TaskHead
#pragma warning restore CA1001
{
    private readonly HeadSpec head;
    private readonly AdaptableModule? norm;
    private AdaptableModule? dense;

    public TaskHead(nn.Module model, HeadSpec head, TransformerSpec spec, long outputs, Placement at)
    {
        this.head = head;
        var size = head.DenseSize ?? spec.HiddenSize;
        if (head.Dense is { } path) model.Place(path, dense = new Linear(spec.HiddenSize, size, head.DenseBias, at.Type, at.Device));
        if (head.Norm is { } after) model.Place(after, norm = new LayerNorm(size, spec.NormEpsilon, head.NormBias, at.Type, at.Device));
        model.Place(head.Output, Output = new Linear(size, outputs, head.OutputBias, at.Type, at.Device));
    }

    /// <summary>The projection to scores.</summary>
    public Linear Output { get; }

    /// <summary>Changes the number of outputs of the projection. Its new weights are 0.</summary>
    /// <returns>An action that restores the old projection.</returns>
    public Action Resize(long outputs)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var (weight, bias) = (Output.Weight.detach().clone().DetachFromDisposeScope(), Output.Bias?.detach().clone().DetachFromDisposeScope());
        Output.Replace(zeros(outputs, weight.size(1), weight.dtype, weight.device), bias is null ? null : zeros(outputs, bias.dtype, bias.device));
        return () => Output.Replace(weight, bias);
    }

    /// <summary>Removes the dense layer from the model.</summary>
    /// <returns>An action that restores it; null if there is none.</returns>
    public Action? DropDense(nn.Module model)
    {
        if (dense is not { } dropped) return null;
        dense = null;
        model.Displace(head.Dense!);
        return () => model.Place(head.Dense!, dense = dropped);
    }

    /// <summary>True if a parameter belongs to the head.</summary>
    public bool Owns(string parameter)
        => IsOf(head.Output, parameter) || (dense is not null && IsOf(head.Dense!, parameter)) || (head.Norm is { } n && IsOf(n, parameter));

    /// <summary>True if a parameter belongs to the projection, whose size depends on the number of classes.</summary>
    public bool IsOutput(string parameter) => IsOf(head.Output, parameter);

    /// <summary>The scores of hidden states.</summary>
    public Tensor Run(Tensor hidden)
    {
        using var inner = Prepare(hidden);
        return Output.call(inner);
    }

    /// <summary>The input of the projection.</summary>
    public Tensor Prepare(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        var x = hidden;
        if (dense is not null)
        {
            x = dense.call(Drop(x, head.InputDropout));
            if (head.Activation is { } activation) x = activation.Apply(x);
            if (norm is not null) x = norm.call(x);
        }
        x = Drop(x, head.Dropout);
        return (ReferenceEquals(x, hidden) ? hidden.alias() : x).MoveToOuterDisposeScope();
    }

    private Tensor Drop(Tensor x, double probability) => probability > 0 && Output.training ? DropoutMask.Run(x, probability) : x;

    private static bool IsOf(string path, string parameter) => parameter.StartsWith(path + ".", StringComparison.Ordinal);
}
