namespace Peft.Models;

/// <summary>No token can be chosen: the logits or scores are not finite, or the options exclude all tokens. The message names the step.</summary>
public sealed class GenerationException(string message) : PeftException(message);
