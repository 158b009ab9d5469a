namespace Peft.Report;

/// <summary>A run cannot be recorded or reported.</summary>
public sealed class ReportException : PeftException
{
    /// <inheritdoc cref="PeftException(string)"/>
    public ReportException(string message) : base(message) { }

    /// <inheritdoc cref="PeftException(string, Exception)"/>
    public ReportException(string message, Exception? inner) : base(message, inner) { }
}
