namespace Peft;

/// <summary>Options for uploading a folder to the hub.</summary>
public sealed record HubUploadOptions
{
    /// <summary>The branch; null for <c>main</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>Message of the commit; null for <c>Upload folder</c> and the folder's name.</summary>
    public string? Message { get; init; }

    /// <summary>True to create the repository if it does not exist. True by default.</summary>
    public bool CreateRepository { get; init; } = true;

    /// <summary>True to make a new repository private. False by default; no effect on an existing one.</summary>
    public bool IsPrivate { get; init; }
}
