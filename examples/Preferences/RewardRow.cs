namespace Preferences;

/// <summary>A reward model on held-out pairs.</summary>
/// <param name="Name">What it was judged on.</param>
/// <param name="Pairs">Number of pairs.</param>
/// <param name="Longer">Share of pairs whose chosen solution is the longer one.</param>
/// <param name="Accuracy">Share of pairs whose chosen solution has the higher reward.</param>
/// <param name="Seconds">Duration of training and judging.</param>
internal sealed record RewardRow(string Name, int Pairs, double Longer, double Accuracy, double Seconds);
