namespace Peft.Models;

/// <summary>A chat template cannot be read or rendered, or it refuses the conversation. The message names the template's line where one is known.</summary>
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

    /// <summary>The template's line, from 1; null if the error is not in a template's text.</summary>
    public int? Line { get; private set; }

    /// <summary>What the template itself said by <c>raise_exception</c>; null if it did not.</summary>
    public string? TemplateMessage { get; }

    /// <inheritdoc/>
    public override string Message => Line is { } line ? $"Chat template, line {line}: {base.Message}" : base.Message;

    /// <summary>Says where an error happened that did not know it.</summary>
    internal void Locate(int line) => Line ??= line;
}
