namespace Peft.Models;

/// <summary>A model folder lacks a file or has one that cannot be read.</summary>
public sealed class ModelFolderException : PeftException
{
    /// <inheritdoc/>
    public ModelFolderException(string message, Exception? inner = null) : base(message, inner) { }
}
