namespace Peft;

/// <summary>The requested tensors need more memory than the machine has and were not allocated, or a training step needs more than <see cref="TrainingOptions.MaxMemory"/>.</summary>
public sealed class NotEnoughMemoryException(string message) : PeftException(message);
