namespace Peft;

/// <summary>A reward function failed, or its result is no reward. The message names the function and the completion.</summary>
public sealed class RewardException : PeftException
{
    /// <inheritdoc/>
    public RewardException(string message) : base(message) { }

    /// <inheritdoc/>
    public RewardException(string message, Exception? inner) : base(message, inner) { }
}
