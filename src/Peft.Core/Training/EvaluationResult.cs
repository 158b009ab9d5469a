namespace Peft;

/// <summary>The result of an evaluation.</summary>
/// <param name="Step">Number of optimizer steps done before it.</param>
/// <param name="Loss">Mean loss over the dataset, weighted by <see cref="Batch.Weight"/>.</param>
/// <param name="Metrics">Metrics by name.</param>
public sealed record EvaluationResult(int Step, double Loss, IReadOnlyDictionary<string, double> Metrics);
