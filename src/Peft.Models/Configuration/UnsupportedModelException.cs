namespace Peft.Models;

/// <summary>A model's configuration asks for something that is not implemented; running it anyway would give wrong numbers.</summary>
public sealed class UnsupportedModelException(string message) : PeftException(message);
