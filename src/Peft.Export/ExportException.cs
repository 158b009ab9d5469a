namespace Peft;

/// <summary>A model or an adapter cannot be exported as asked. The message says what the format lacks, where, and what to do. Nothing was written.</summary>
public sealed class ExportException : PeftException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What cannot be exported, and the remedy.</param>
    public ExportException(string message) : base(message) { }

    /// <summary>Creates the exception from several problems.</summary>
    /// <param name="what">What was to be exported.</param>
    /// <param name="problems">The problems, at least one.</param>
    internal ExportException(string what, IReadOnlyList<string> problems) : base($"{what} cannot be exported: {string.Join(" ", problems)}") { }
}
