namespace Peft.Models;

/// <summary>Too many requests wait already: try again later. A server answers with status 429 or 503.</summary>
public sealed class QueueFullException(string message) : PeftException(message);
