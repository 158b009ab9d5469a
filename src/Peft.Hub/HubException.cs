namespace Peft;

/// <summary>A download from the hub or an upload to it failed. The message says what failed, where, and what to do.</summary>
public sealed class HubException : PeftException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="reason">The reason for the failure.</param>
    /// <param name="message">What failed, where, and what to do.</param>
    /// <param name="inner">The cause.</param>
    public HubException(HubError reason, string message, Exception? inner = null) : base(message, inner) => Reason = reason;

    /// <summary>The reason for the failure.</summary>
    public HubError Reason { get; }
}
