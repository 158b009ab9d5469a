namespace Peft.Models;

/// <summary>A download from the hub failed. The message says what, where, and what to do.</summary>
public sealed class HubException : PeftException
{
    /// <summary>Creates the error.</summary>
    /// <param name="reason">Why it failed.</param>
    /// <param name="message">What failed, where, and what to do.</param>
    /// <param name="inner">What led to it.</param>
    public HubException(HubError reason, string message, Exception? inner = null) : base(message, inner) => Reason = reason;

    /// <summary>Why it failed.</summary>
    public HubError Reason { get; }
}
