using static TorchSharp.torch;

namespace Peft;

/// <summary>A model whose outputs a dataset can measure (<see cref="TrainingDataset.Measure"/>).</summary>
public interface IOutputModel : ILossModel
{
    /// <summary>The mean loss of a batch as <see cref="ILossModel.Loss"/> gives it, and the output that it is computed from, in one pass.</summary>
    /// <returns>The loss, a scalar; and the output, a row for each of the batch's and, where each token has one, a place for each of its tokens.</returns>
    (Tensor Loss, Tensor Output) LossAndOutput(Batch batch);
}

/// <summary>A value that a dataset measures.</summary>
/// <param name="Name">Its name in <see cref="EvaluationResult.Metrics"/>.</param>
/// <param name="GreaterIsBetter">Whether a larger one is better.</param>
public sealed record DatasetMetric(string Name, bool GreaterIsBetter = true);

/// <summary>Compares a model's outputs with what is right, batch by batch.</summary>
public interface IMeasurement
{
    /// <summary>Takes the output for some rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="output">The model's output for their batch, on any device.</param>
    void Add(IReadOnlyList<int> rows, Tensor output);

    /// <summary>The values of the rows so far, by name.</summary>
    IReadOnlyDictionary<string, double> Result();
}
