namespace Peft;

/// <summary>The largest memory of the process in each phase of a run, in bytes: the resident set, with the base model, the .NET heap and what else the program holds.</summary>
/// <remarks>
/// Sampled every few milliseconds, so that shorter peaks may be missed. Memory that was freed counts as long as the allocator keeps it for later use: the peak of a phase is then partly that of the phase
/// before. The memory of a GPU is not included, since TorchSharp does not expose its allocator.
/// </remarks>
/// <param name="Start">When the run began, before its first step.</param>
/// <param name="Training">In training steps; null if there was none.</param>
/// <param name="Evaluation">In evaluations; null if there was none.</param>
/// <param name="Saving">While checkpoints were written; null if there was none.</param>
public sealed record MemoryPeaks(long Start, long? Training, long? Evaluation, long? Saving);
