namespace Peft;

/// <summary>No module matches the targets of an adapter, or a requested name matches none.</summary>
public sealed class TargetNotFoundException(string message) : PeftException(message);
