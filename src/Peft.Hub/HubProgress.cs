namespace Peft;

/// <summary>Progress of a download, or of the large files of an upload.</summary>
/// <param name="Repository">Id of the repository.</param>
/// <param name="File">The file in progress, by its name in the repository.</param>
/// <param name="FileBytes">Bytes of the file on disk, including those of an earlier, interrupted download; bytes sent by an upload.</param>
/// <param name="FileSize">Size of the file in bytes; null if unknown.</param>
/// <param name="Bytes">The same of all files that this call downloads or uploads. Files that were already cached do not count.</param>
/// <param name="TotalBytes">Total size of these files; null if unknown.</param>
public sealed record HubProgress(string Repository, string File, long FileBytes, long? FileSize, long Bytes, long? TotalBytes);
