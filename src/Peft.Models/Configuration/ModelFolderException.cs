namespace Peft.Models;

/// <summary>A file of a model folder is missing or cannot be read.</summary>
public sealed class ModelFolderException : PeftException
{
    /// <inheritdoc/>
    public ModelFolderException(string message, Exception? inner = null) : base(message, inner) { }
}
