namespace Peft;

/// <summary>A tokenizer's files cannot be read, or use an unsupported component. The message names the file, the position in it and the remedy.</summary>
public sealed class TokenizerException : PeftException
{
    /// <inheritdoc/>
    public TokenizerException(string message) : base(message) { }

    /// <inheritdoc/>
    public TokenizerException(string message, Exception? inner) : base(message, inner) { }
}
