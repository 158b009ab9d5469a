namespace Peft;

/// <summary>A metric that a dataset measures.</summary>
/// <param name="Name">Name of the metric in <see cref="EvaluationResult.Metrics"/>.</param>
/// <param name="GreaterIsBetter">True if larger values are better.</param>
public sealed record DatasetMetric(string Name, bool GreaterIsBetter = true);
