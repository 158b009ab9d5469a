using static TorchSharp.torch;

namespace Peft;

/// <summary>A model whose outputs a dataset can measure (<see cref="TrainingDataset.Measure"/>).</summary>
public interface IOutputModel : ILossModel
{
    /// <summary>Computes the mean loss of a batch, as <see cref="ILossModel.Loss"/>, and the output on which it is based, in a single pass.</summary>
    /// <returns>The loss, a scalar; and the output, with one row per row of the batch and, for token-level outputs, one position per token.</returns>
    (Tensor Loss, Tensor Output) LossAndOutput(Batch batch);
}

/// <summary>A metric that a dataset measures.</summary>
/// <param name="Name">Name of the metric in <see cref="EvaluationResult.Metrics"/>.</param>
/// <param name="GreaterIsBetter">True if larger values are better.</param>
public sealed record DatasetMetric(string Name, bool GreaterIsBetter = true);

/// <summary>Compares a model's outputs with the expected ones, batch by batch.</summary>
public interface IMeasurement
{
    /// <summary>Adds the output for some rows.</summary>
    /// <param name="rows">Indices of the rows.</param>
    /// <param name="output">The model's output for their batch, on any device.</param>
    void Add(IReadOnlyList<int> rows, Tensor output);

    /// <summary>The metrics of all rows so far, by name.</summary>
    IReadOnlyDictionary<string, double> Result();
}
