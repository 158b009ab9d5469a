namespace Rlhf;

/// <summary>A reward model.</summary>
/// <param name="Accuracy">Share of held-out pairs in which it prefers the story that the judge prefers.</param>
/// <param name="Pairs">Number of held-out pairs.</param>
/// <param name="TrainingPairs">Number of pairs that it learned from.</param>
internal sealed record RewardResult(double Accuracy, int Pairs, int TrainingPairs);
