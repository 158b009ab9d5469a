using static TorchSharp.torch;

namespace Peft;

/// <summary>Compares a model's outputs with the expected outputs, batch by batch.</summary>
public interface IMeasurement
{
    /// <summary>Adds the output for some rows.</summary>
    /// <param name="rows">Indices of the rows.</param>
    /// <param name="output">The model's output for their batch, on any device.</param>
    void Add(IReadOnlyList<int> rows, Tensor output);

    /// <summary>Computes the metrics of all rows so far, by name.</summary>
    IReadOnlyDictionary<string, double> Result();
}
