using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>Named tensors, read one at a time from a file or from the shards of a folder. Reading is thread-safe.</summary>
public interface ITensorSource : IDisposable
{
    /// <summary>All tensors by name, in the order of the file.</summary>
    IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>Reads one tensor into new memory. The caller or the current dispose scope disposes it.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="device">Device of the tensor; the CPU if null.</param>
    /// <param name="dtype">Dtype to convert to; the stored one if null.</param>
    /// <exception cref="CheckpointException">There is no such tensor, its dtype has no counterpart in TorchSharp, or the file cannot be read.</exception>
    Tensor Read(string name, Device? device = null, ScalarType? dtype = null);

    /// <summary>Reads the bytes of one tensor, of any dtype, as they are in the file: <c>[bytes]</c> of dtype Byte. The caller or the current dispose scope disposes it.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="device">Device of the tensor; the CPU if null.</param>
    /// <exception cref="CheckpointException">There is no such tensor, it is not stored contiguously, or the file cannot be read.</exception>
    Tensor ReadBytes(string name, Device? device = null);

    /// <summary>Reads one tensor into an existing one, converting to its dtype and device. Autograd does not record this.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="destination">A tensor of the same shape. A contiguous one is filled in place; any other takes one temporary copy.</param>
    /// <exception cref="CheckpointException">As for <see cref="Read"/>, and if the shapes differ.</exception>
    void CopyInto(string name, Tensor destination);
}
