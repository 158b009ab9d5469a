using static TorchSharp.torch;

namespace Peft;

/// <summary>Remembers numbers of the positions that a cache holds.</summary>
public interface IPositionMemory
{
    /// <summary>Adds those of new positions.</summary>
    /// <param name="key">What they are of.</param>
    /// <param name="values"><c>[rows, new, width]</c></param>
    /// <param name="rows">Numbers of the rows in the batch, if they are some of its rows.</param>
    /// <param name="batch">Rows of the batch.</param>
    /// <returns>Those of all positions, <c>[rows, past + new, width]</c>.</returns>
    Tensor Append(object key, Tensor values, Tensor? rows, int batch);
}
