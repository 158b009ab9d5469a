namespace Peft.Models;

/// <summary>A model's configuration requires a feature that is not implemented. Running the model without it would give wrong results.</summary>
public sealed class UnsupportedModelException(string message) : PeftException(message);
