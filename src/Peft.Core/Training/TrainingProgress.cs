namespace Peft;

/// <summary>State of a run after a step.</summary>
/// <param name="Step">Number of completed optimizer steps, from 1.</param>
/// <param name="TotalSteps">Total number of steps of the run.</param>
/// <param name="Epoch">Number of completed epochs, including the fraction of the current one.</param>
/// <param name="Loss">Loss of the step: the mean over the positions (or rows) of all its batches. NaN or infinite if the step was skipped for that reason.</param>
/// <param name="GradientNorm">Norm of the gradient of all tensors together, before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Tokens">Number of tokens of the step, without padding.</param>
/// <param name="Elapsed">Duration of the step.</param>
/// <param name="LastEvaluation">The latest evaluation.</param>
public sealed record TrainingProgress(
    int Step, int TotalSteps, double Epoch, double Loss, double GradientNorm, double LearningRate, long Tokens, TimeSpan Elapsed, EvaluationResult? LastEvaluation)
{
    /// <summary>Metrics of the objective (<see cref="Trainer.Objective"/>) in this step, by name.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();

    /// <summary>Texts of this step for readers, such as completions, by the name of their list.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Samples { get; init; } = new Dictionary<string, IReadOnlyList<string>>();
}
