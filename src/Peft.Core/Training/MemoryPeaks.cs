namespace Peft;

/// <summary>The peak memory of the process in each phase of a run, in bytes: the resident set, including the base model, the .NET heap and all other memory of the program.</summary>
/// <remarks>
/// Sampled every few milliseconds, so shorter peaks may be missed. Freed memory counts as long as the allocator keeps it for later use, so the peak of a phase may be partly that of the phase
/// before. The memory of a GPU is not included, since TorchSharp does not expose its allocator.
/// </remarks>
/// <param name="Start">At the start of the run, before its first step.</param>
/// <param name="Training">In training steps; null if there was none.</param>
/// <param name="Evaluation">In evaluations; null if there was none.</param>
/// <param name="Saving">While writing checkpoints; null if there was none.</param>
public sealed record MemoryPeaks(long Start, long? Training, long? Evaluation, long? Saving);
