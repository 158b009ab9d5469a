namespace Peft.Cli;

/// <summary>What was asked for cannot be done.</summary>
internal sealed class ToolException : PeftException
{
    public ToolException(string message) : base(message) { }

    public ToolException(string message, Exception? inner) : base(message, inner) { }
}
