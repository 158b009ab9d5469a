namespace Peft.Models;

/// <summary>No token can be chosen: the model's logits are not finite, or what the options ask for leaves none or no finite scores. The message says at which step.</summary>
public sealed class GenerationException(string message) : PeftException(message);
