namespace Rlhf;

/// <summary>A run of reinforcement learning.</summary>
internal sealed record Run(Method Method, Teacher Teacher, int Seed, IReadOnlyList<Point> Points, Measurement After, bool Stopped, double Seconds);
