using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The modules of a <see cref="HeadSpec"/>, placed in a model: hidden states <c>[…, hidden]</c> to scores <c>[…, outputs]</c>.</summary>
#pragma warning disable CA1001 // the model that the modules are placed in disposes them
internal sealed class TaskHead
#pragma warning restore CA1001
{
    private readonly HeadSpec head;
    private readonly AdaptableModule? norm;
    private AdaptableModule? dense;

    public TaskHead(nn.Module model, HeadSpec head, TransformerSpec spec, long outputs, Placement at)
    {
        this.head = head;
        if (head.Dense is { } path) model.Place(path, dense = new Linear(spec.HiddenSize, spec.HiddenSize, true, at.Type, at.Device));
        if (head.Norm is { } after) model.Place(after, norm = new LayerNorm(spec.HiddenSize, spec.NormEpsilon, true, at.Type, at.Device));
        model.Place(head.Output, Output = new Linear(spec.HiddenSize, outputs, head.OutputBias, at.Type, at.Device));
    }

    /// <summary>The projection to scores.</summary>
    public Linear Output { get; }

    /// <summary>Gives the projection another number of outputs, all of weight 0.</summary>
    /// <returns>What puts the old projection back.</returns>
    public Action Resize(long outputs)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var (weight, bias) = (Output.Weight.detach().clone().DetachFromDisposeScope(), Output.Bias?.detach().clone().DetachFromDisposeScope());
        Output.Replace(zeros(outputs, weight.shape[1], weight.dtype, weight.device), bias is null ? null : zeros(outputs, bias.dtype, bias.device));
        return () => Output.Replace(weight, bias);
    }

    /// <summary>Takes the dense layer out of the model.</summary>
    /// <returns>What puts it back; null if there is none.</returns>
    public Action? DropDense(nn.Module model)
    {
        if (dense is not { } dropped) return null;
        dense = null;
        model.Displace(head.Dense!);
        return () => model.Place(head.Dense!, dense = dropped);
    }

    /// <summary>Whether a parameter is one of the head's.</summary>
    public bool Owns(string parameter)
        => IsOf(head.Output, parameter) || (dense is not null && IsOf(head.Dense!, parameter)) || (head.Norm is { } n && IsOf(n, parameter));

    /// <summary>Whether a parameter is one of the projection's, which depends on the number of classes.</summary>
    public bool IsOutput(string parameter) => IsOf(head.Output, parameter);

    /// <summary>The scores.</summary>
    public Tensor Run(Tensor hidden)
    {
        using var inner = Prepare(hidden);
        return Output.call(inner);
    }

    /// <summary>What the projection reads.</summary>
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

    private Tensor Drop(Tensor x, double share) => share > 0 && Output.training ? nn.functional.dropout(x, share, training: true) : x;

    private static bool IsOf(string path, string parameter) => parameter.StartsWith(path + ".", StringComparison.Ordinal);
}
