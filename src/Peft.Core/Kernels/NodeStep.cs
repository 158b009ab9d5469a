using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A step of a <see cref="StepsNode"/>: computes outputs from earlier values, with hand-written forward and backward passes. Its forward pass runs once, or <see cref="Prepare"/> in its place.</summary>
/// <param name="reads">Indices of the values that it reads.</param>
internal abstract class NodeStep(params int[] reads)
{
    /// <summary>Indices of the values that it reads.</summary>
    public int[] Reads { get; } = reads;

    /// <summary>Those of all values that it reads.</summary>
    public Tensor[] Read(Tensor[] values)
    {
        var read = new Tensor[Reads.Length];
        for (var i = 0; i < read.Length; i++) read[i] = values[Reads[i]];
        return read;
    }

    /// <summary>Number of outputs.</summary>
    public virtual int Outputs => 1;

    /// <summary>The trainable tensors, contiguous.</summary>
    public virtual Tensor[] Trained => [];

    /// <summary>True if the backward pass needs a value that it reads.</summary>
    /// <param name="read">Position of the value in <see cref="Reads"/>.</param>
    public virtual bool Keeps(int read) => true;

    /// <summary>Computes the outputs, contiguous.</summary>
    /// <param name="values">The values that it reads, contiguous.</param>
    /// <param name="kept">Takes what the backward pass needs besides values and trainable tensors.</param>
    public abstract Tensor[] Forward(Tensor[] values, List<Tensor> kept);

    /// <summary>True if <see cref="Prepare"/> takes the place of <see cref="Forward"/> where nothing reads the outputs.</summary>
    public virtual bool Prepares => false;

    /// <summary>Computes what the backward pass needs, but no outputs.</summary>
    /// <param name="values">The values that it reads; those that are not kept may be missing.</param>
    /// <param name="kept">Takes the same as in <see cref="Forward"/>.</param>
    public virtual void Prepare(Tensor[] values, List<Tensor> kept) => throw new NotSupportedException();

    /// <summary>Computes the outputs again in the backward pass.</summary>
    /// <param name="values">The values that it reads.</param>
    /// <param name="saved">The trainable tensors, then the kept ones.</param>
    public abstract Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved);

    /// <summary>Computes gradients: one or null for each value that it reads, then for each trainable tensor. The gradient of a value may be one of the given gradients itself.</summary>
    /// <param name="values">The values that it reads; null if not kept.</param>
    /// <param name="saved">The trainable tensors, then the kept ones.</param>
    /// <param name="gradients">The gradients of the outputs, contiguous; not to be overwritten.</param>
    /// <param name="wanted">For each value that it reads, true if its gradient is needed.</param>
    public abstract Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted);
}
