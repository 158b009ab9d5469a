namespace Peft;

/// <summary>The requested tensors would need more memory than the machine has. They were not allocated.</summary>
public sealed class NotEnoughMemoryException(string message) : PeftException(message);
