namespace Peft;

/// <summary>A saved adapter does not fit its model: keys are missing or unexpected, shapes differ, or the base model differs.</summary>
public sealed class AdapterMismatchException(string message) : PeftException(message);
