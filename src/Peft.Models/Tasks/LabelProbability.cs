namespace Peft.Models;

/// <summary>A class with its probability.</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">Its probability.</param>
public readonly record struct LabelProbability(string Label, double Probability);
