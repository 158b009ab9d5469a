namespace Peft.Models;

/// <summary>A failure that may pass: the connection was cut, or the server is busy.</summary>
internal sealed class TransientException(string message, TimeSpan? after = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How long the server asks to wait.</summary>
    public TimeSpan? After => after;
}
