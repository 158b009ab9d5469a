namespace Peft;

/// <summary>A training run that cannot start or go on. The message says where and what to do.</summary>
public sealed class TrainingException : PeftException
{
    /// <inheritdoc/>
    public TrainingException(string message) : base(message) { }

    /// <inheritdoc/>
    public TrainingException(string message, Exception? inner) : base(message, inner) { }
}
