namespace Peft.Hub;

/// <summary>A transient failure: the connection was lost, or the server is busy.</summary>
internal sealed class TransientException(string message, TimeSpan? after = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The delay that the server requests.</summary>
    public TimeSpan? After => after;
}
