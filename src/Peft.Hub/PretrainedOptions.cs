namespace Peft;

/// <summary>Options for loading from a folder or from the hub.</summary>
public record PretrainedOptions
{
    /// <summary>Branch, tag or commit of a repository on the hub; null for <c>main</c>. Ignored for a folder.</summary>
    public string? Revision { get; init; }

    /// <summary>Options for accessing the hub. Ignored for a folder.</summary>
    public HubOptions? Hub { get; init; }

    /// <summary>Limits on depth, time and memory for the files; null for <see cref="ResourceLimits.Default"/>.</summary>
    public ResourceLimits? Limits { get; init; }
}
