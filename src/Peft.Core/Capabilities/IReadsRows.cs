using static TorchSharp.torch;

namespace Peft;

/// <summary>A stored table that is read by rows, so that a lookup does not read all of it.</summary>
internal interface IReadsRows
{
    /// <summary>The rows <c>[count, size]</c> at indices <c>[count]</c>, in the dtype of products.</summary>
    /// <exception cref="ArgumentException">The indices are not integers, or on another device.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    Tensor ReadRows(Tensor indices);
}
