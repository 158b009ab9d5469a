namespace Peft;

/// <summary>A chat template cannot be parsed or rendered, or it rejects the conversation. The message includes the line of the template if it is known.</summary>
public sealed class ChatTemplateException : PeftException
{
    /// <inheritdoc/>
    public ChatTemplateException(string message) : base(message) { }

    /// <inheritdoc/>
    public ChatTemplateException(string message, Exception? inner) : base(message, inner) { }

    internal ChatTemplateException(string message, int? line, string? templateMessage = null) : base(message)
    {
        Line = line;
        TemplateMessage = templateMessage;
    }

    /// <summary>Line of the template, from 1; null if the error does not belong to a line.</summary>
    public int? Line { get; private set; }

    /// <summary>The message that the template passed to <c>raise_exception</c>; null if it did not call it.</summary>
    public string? TemplateMessage { get; }

    /// <inheritdoc/>
    public override string Message => Line is { } line ? $"Chat template, line {line}: {base.Message}" : base.Message;

    /// <summary>Adds the line to an error that has none.</summary>
    internal void Locate(int line) => Line ??= line;
}
