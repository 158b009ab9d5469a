namespace Peft.Benchmarks;

/// <summary>The steps of a measured run.</summary>
/// <param name="First">Seconds of the first step, the just-in-time compiler's work included.</param>
/// <param name="WarmUp">Number of steps before the measured ones.</param>
/// <param name="Seconds">Seconds of each measured step.</param>
/// <param name="Memory">Peaks of the memory of the process.</param>
internal sealed record MeasuredSteps(double First, int WarmUp, IReadOnlyList<double> Seconds, MemoryPeaks Memory);
