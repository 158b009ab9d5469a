namespace Peft;

/// <summary>No adapter has that name.</summary>
public sealed class AdapterNotFoundException(string message) : PeftException(message);
