namespace Peft;

/// <summary>Tensors of the sizes that were asked for would need more memory than the machine has. They were not allocated.</summary>
public sealed class NotEnoughMemoryException(string message) : PeftException(message);
