namespace Peft;

/// <summary>The options are invalid. The message lists all errors.</summary>
public sealed class AdapterOptionsException(string message) : PeftException(message);
