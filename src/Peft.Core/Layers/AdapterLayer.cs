using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A layer that a method wraps around one module. Adapters nest: a layer receives its input and the enclosed module (<see cref="Inner"/>) and
/// returns its output. <see cref="Merge"/> does the same with the weights, so that forward and merge agree for any stack of adapters.
/// </summary>
/// <remarks>The usual base classes are <see cref="DeltaLayer"/>, <see cref="ReweightLayer"/> and <see cref="TransformLayer"/>.</remarks>
/// <param name="target">The adapted module.</param>
public abstract class AdapterLayer(Target target) : TensorOwner(Given(target).ComputeType, target.Device)
{
    /// <summary>The adapted module.</summary>
    public Target Target { get; } = target;

    private static Target Given(Target target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return target;
    }

    /// <summary>True if the module is in training mode; dropout then applies.</summary>
    protected bool Training => Target.Module.training;

    /// <summary>Computes the layer's output for an input of the module.</summary>
    /// <param name="input">The module's input, possibly transformed by enclosing adapters.</param>
    /// <param name="inner">The module with all adapters that this layer encloses.</param>
    /// <returns>A new tensor with the shape and dtype of the module's output.</returns>
    protected internal abstract Tensor Forward(Tensor input, Inner inner);

    /// <summary>Computes the merged weights, with which the module computes the output of <see cref="Forward"/>, as new tensors; null if the layer cannot be merged.</summary>
    /// <param name="inner">The weights of the enclosed module, with its adapters merged.</param>
    protected internal virtual Weights? Merge(Weights inner) => null;

    /// <summary>
    /// True if a training forward pass depends on more than its own rows: on their index in the batch, on other rows, or on state that forward passes change.
    /// All rows of a batch must then run in a single pass.
    /// </summary>
    protected internal virtual bool DependsOnBatch => false;

    /// <summary>True if <see cref="Merge"/> changes the weight; false if it changes only the bias.</summary>
    internal virtual bool ChangesWeight => true;

    /// <summary>
    /// Multiplications per position that <see cref="Forward"/> adds. If folding the layer into the weight costs less, the layer is folded
    /// instead. Infinite if the forward pass computes the full weight anyway; 0 (the default) if the layer must not be folded, for example because of dropout.
    /// </summary>
    protected internal virtual double CostPerPosition => 0;
}
