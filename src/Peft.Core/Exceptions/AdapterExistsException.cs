namespace Peft;

/// <summary>An adapter of that name exists already, or the model has adapters already.</summary>
public sealed class AdapterExistsException(string message) : PeftException(message);
