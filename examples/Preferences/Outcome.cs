namespace Preferences;

/// <summary>What a policy thinks of held-out pairs.</summary>
/// <param name="Accuracy">Share of pairs whose chosen solution has the higher implicit reward β·log(π/π_ref).</param>
/// <param name="Margin">Mean of the chosen solution's implicit reward less that of the rejected one.</param>
/// <param name="Probable">Share of pairs whose chosen solution is the more probable one per token.</param>
/// <param name="Chosen">Mean log-probability of the chosen solution per token.</param>
/// <param name="Rejected">Mean log-probability of the rejected solution per token.</param>
internal sealed record Outcome(double Accuracy, double Margin, double Probable, double Chosen, double Rejected);
