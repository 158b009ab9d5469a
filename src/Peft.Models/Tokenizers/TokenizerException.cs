namespace Peft.Models;

/// <summary>A tokenizer's files cannot be read, or they use a component that is not supported. The message names the file, the place in it and what to do.</summary>
public sealed class TokenizerException : PeftException
{
    /// <inheritdoc/>
    public TokenizerException(string message) : base(message) { }

    /// <inheritdoc/>
    public TokenizerException(string message, Exception? inner) : base(message, inner) { }
}
