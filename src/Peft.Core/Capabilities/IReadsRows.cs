using static TorchSharp.torch;

namespace Peft;

/// <summary>A stored embedding table that is read by rows, so that a lookup does not read the full table.</summary>
internal interface IReadsRows
{
    /// <summary>Reads the rows <c>[count, size]</c> at indices <c>[count]</c>, in the dtype of products.</summary>
    /// <exception cref="ArgumentException">The indices are not integers, or on another device.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is out of range.</exception>
    Tensor ReadRows(Tensor indices);
}
