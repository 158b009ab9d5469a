namespace Peft.Benchmarks;

/// <summary>A measured curve.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Style">Its class in the picture.</param>
/// <param name="Points">Its points, from left to right.</param>
internal sealed record Series(string Name, string Style, IReadOnlyList<(double X, double Y)> Points);
