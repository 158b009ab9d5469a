namespace Preferences;

/// <summary>A policy on held-out pairs.</summary>
internal sealed record PolicyRow(string Name, Outcome Outcome, double Seconds, bool IsReference = false);
