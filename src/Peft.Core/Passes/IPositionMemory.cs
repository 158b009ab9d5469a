using static TorchSharp.torch;

namespace Peft;

/// <summary>Stores values for the positions in a KV cache.</summary>
public interface IPositionMemory
{
    /// <summary>Appends the values of new positions.</summary>
    /// <param name="key">Identifies the values.</param>
    /// <param name="values"><c>[rows, new, width]</c></param>
    /// <param name="rows">Indices of the rows within the batch; null for all rows.</param>
    /// <param name="batch">Number of rows of the batch.</param>
    /// <returns>The values of all positions, <c>[rows, past + new, width]</c>.</returns>
    Tensor Append(object key, Tensor values, Tensor? rows, int batch);
}
