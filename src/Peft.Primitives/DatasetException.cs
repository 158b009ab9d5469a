namespace Peft;

/// <summary>A dataset cannot be read or has nothing to train on. The message names the file and line, or the rows.</summary>
public sealed class DatasetException : PeftException
{
    /// <inheritdoc/>
    public DatasetException(string message) : base(message) { }

    /// <inheritdoc/>
    public DatasetException(string message, Exception? inner) : base(message, inner) { }
}
