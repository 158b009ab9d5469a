namespace Peft;

/// <summary>An adapter of that name already exists, or the model already has adapters.</summary>
public sealed class AdapterExistsException(string message) : PeftException(message);
