namespace Peft.Models;

/// <summary>Too many requests are waiting: try again later. Servers answer with status 429 or 503.</summary>
public sealed class QueueFullException(string message) : PeftException(message);
