namespace Peft.Models;

/// <summary>A request would not fit into the KV cache even alone: shorten its prompt or lower its number of new tokens.</summary>
public sealed class RequestTooLargeException(string message) : PeftException(message);
