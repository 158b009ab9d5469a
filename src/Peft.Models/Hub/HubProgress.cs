namespace Peft.Models;

/// <summary>How far a download has come.</summary>
/// <param name="Repository">Id of the repository.</param>
/// <param name="File">The file that grew, by its name in the repository.</param>
/// <param name="FileBytes">Bytes of it that are on the disk, those of an earlier, interrupted download included.</param>
/// <param name="FileSize">Its size in bytes; null if the server does not tell.</param>
/// <param name="Bytes">Bytes on the disk of all files that this call has to fetch. Files that were cached before do not count.</param>
/// <param name="TotalBytes">Size of these files; null if the server does not tell.</param>
public sealed record HubProgress(string Repository, string File, long FileBytes, long? FileSize, long Bytes, long? TotalBytes);
