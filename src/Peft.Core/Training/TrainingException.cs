namespace Peft;

/// <summary>A training run cannot start or continue. The message says where and what to do.</summary>
public sealed class TrainingException : PeftException
{
    /// <inheritdoc/>
    public TrainingException(string message) : base(message) { }

    /// <inheritdoc/>
    public TrainingException(string message, Exception? inner) : base(message, inner) { }
}
