namespace Peft.Benchmarks;

/// <summary>The steps of a measured run.</summary>
/// <param name="First">Seconds of the first step, the just-in-time compiler's work included.</param>
/// <param name="Seconds">Seconds of each step after the warm-up.</param>
/// <param name="Memory">Peaks of the memory of the process.</param>
internal sealed record MeasuredSteps(double First, IReadOnlyList<double> Seconds, MemoryPeaks Memory);
