namespace Peft.Cli;

/// <summary>What <c>peft doctor</c> found of one thing.</summary>
/// <param name="Name">The thing.</param>
/// <param name="Value">What it is.</param>
/// <param name="Problem">What is wrong, and what to do; null if nothing is.</param>
internal sealed record Finding(string Name, string Value, string? Problem = null);
