namespace Peft.Cli;

/// <summary>The command was interrupted; the message says how to go on.</summary>
internal sealed class InterruptedException(string message) : OperationCanceledException(message);
