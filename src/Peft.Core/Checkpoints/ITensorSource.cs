using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>Tensors by name, read one at a time from a file or from the shards of a folder. Reading is safe from several threads at once.</summary>
public interface ITensorSource : IDisposable
{
    /// <summary>All tensors by name, in the order of the file.</summary>
    IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>Reads one tensor into memory of its own, which the caller disposes or the current dispose scope does.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="device">Where the tensor goes; the CPU if null.</param>
    /// <param name="dtype">Type to convert to; the stored one if null.</param>
    /// <exception cref="CheckpointException">There is no such tensor, its type has no counterpart in TorchSharp, or the file cannot be read.</exception>
    Tensor Read(string name, Device? device = null, ScalarType? dtype = null);

    /// <summary>Reads one tensor into existing memory, converting to the type and device of the destination. Gradients do not record it.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="destination">A tensor of the same shape. A contiguous one is filled in place; another costs one temporary copy.</param>
    /// <exception cref="CheckpointException">As for <see cref="Read"/>, and if the shapes differ.</exception>
    void CopyInto(string name, Tensor destination);
}
