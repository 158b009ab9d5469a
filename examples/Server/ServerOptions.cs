namespace Peft.Server;

/// <summary>Settings of the section <c>Server</c>.</summary>
public sealed class ServerOptions
{
    /// <summary>Keys of which a request must have one; none: every request is answered.</summary>
    public IList<string> ApiKeys { get; } = [];

    /// <summary>Keys that may also load and unload adapters; none: nobody may.</summary>
    public IList<string> AdminKeys { get; } = [];

    /// <summary>Requests of a key, or of an address without keys, for each minute.</summary>
    public int RequestsPerMinute { get; set; } = 600;

    /// <summary>Maximum size of a request in bytes.</summary>
    public long MaxRequestBytes { get; set; } = 1 << 20;
}
