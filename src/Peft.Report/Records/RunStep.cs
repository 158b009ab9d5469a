namespace Peft.Report;

/// <summary>What was recorded of one training step or evaluation.</summary>
/// <param name="Step">Number of optimizer steps done.</param>
/// <param name="Values">Values by name, such as <c>loss</c>, <c>gradient_norm</c> and <c>learning_rate</c>; NaN and infinite values included.</param>
public sealed record RunStep(int Step, IReadOnlyDictionary<string, double> Values);
